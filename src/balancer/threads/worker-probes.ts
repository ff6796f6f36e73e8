import type { Backend } from '../backends/backend.js'
import type { Probes } from '../health/passive-health.js'
import type { Lease } from '../leases/lease.js'
import { type ProbedPool, probeWord, SharedProbes } from './shared-probes.js'

/** The probes of ejected backends in a worker, whose requests probe them. */
export class WorkerProbes extends SharedProbes implements Probes {
  /** The value of `word.probe` while this worker probes a backend. */
  readonly #mine: number
  readonly #onStart: (backend: Backend) => void
  /** The leases of the requests that probe backends. */
  readonly #leases = new Map<Backend, Lease>()

  /** @param onStart called when a request of this worker begins to probe a backend */
  constructor(pool: ProbedPool, worker: number, onStart: (backend: Backend) => void) {
    super(pool)
    this.#mine = probeWord.taken + worker
    this.#onStart = onStart
  }

  /** Notes whether a backend is ejected. */
  follow(backend: Backend): void {
    this.forget(backend)
    if (backend.isEjected) this.ejected.add(backend)
  }

  forget(backend: Backend): void {
    this.ejected.delete(backend)
    this.#leases.delete(backend)
  }

  take(backend: Backend): boolean {
    return this.change(backend, probeWord.due, this.#mine)
  }

  giveBack(backend: Backend): void {
    this.change(backend, this.#mine, probeWord.due)
  }

  start(lease: Lease): void {
    this.#leases.set(lease.backend, lease)
    this.#onStart(lease.backend)
  }

  /** Returns true if the request of this lease probes its backend. */
  isProbe(lease: Lease): boolean {
    return this.#leases.get(lease.backend) === lease && this.stateOf(lease.backend) === this.#mine
  }

  /** Makes the backend due again, because its probe ended without a result. */
  restart(backend: Backend): void {
    this.#leases.delete(backend)
    if (this.change(backend, this.#mine, probeWord.due)) this.wake()
  }
}
