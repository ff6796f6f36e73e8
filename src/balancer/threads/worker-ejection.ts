import type { Backend } from '../backends/backend.js'
import type { EjectionOptions, PassiveHealth } from '../health/passive-health.js'
import type { Lease } from '../leases/lease.js'
import type { Clock } from '../time/clock.js'
import type { WorkerMessage } from './messages.js'
import type { WorkerProbes } from './worker-probes.js'

/** Shortest time between two messages of a worker on the same backend, so that no message is sent for each request. */
const TOLD_INTERVAL_MS = 10

/** What a worker remembers of a backend since it was last ejected or reinstated. */
interface Since {
  /** The ordinal of the backend's latest lease of this worker at that time: results of leases up to it are outdated. */
  lastOrdinal: number
  /** Monotonic milliseconds of the latest message on the backend. */
  toldAt: number
}

/**
 * Passive health in a worker. The workers of a pool count failures in a row together, in shared memory. The one that
 * reaches the limit tells the control plane, which ejects the backend in all workers, see `Ejection`. Until then, which
 * takes well below a millisecond where the control plane is idle, the failure penalty keeps requests off.
 */
export class WorkerEjection implements PassiveHealth {
  readonly probes: WorkerProbes
  /** Number of failures in a row that eject a backend; Infinity for no ejection. */
  #limit: number
  readonly #clock: Clock
  readonly #tell: (message: WorkerMessage) => void
  readonly #since = new Map<Backend, Since>()

  /** @param limit number of failures in a row that eject a backend; Infinity for no ejection */
  constructor(limit: number, clock: Clock, probes: WorkerProbes, tell: (message: WorkerMessage) => void) {
    this.probes = probes
    this.#limit = limit
    this.#clock = clock
    this.#tell = tell
  }

  get hasHistory(): boolean {
    return this.#limit !== Number.POSITIVE_INFINITY
  }

  configure({ consecutive, maxPercent, base }: EjectionOptions): void {
    this.#limit = maxPercent === 0 ? Number.POSITIVE_INFINITY : consecutive
    this.probes.configure(base)
  }

  /** Takes over that a backend was ejected or reinstated: from now on only results of new requests count. */
  changed(backend: Backend): void {
    this.#since.set(backend, { lastOrdinal: backend.leases.opened, toldAt: Number.NEGATIVE_INFINITY })
    this.probes.follow(backend)
  }

  answered(lease: Lease): void {
    if (lease.backend.isEjected && this.probes.isProbe(lease)) this.#tellOf(lease.backend, 'answered')
  }

  succeeded(lease: Lease): void {
    const { backend } = lease
    if (this.#isOutdated(lease)) return
    if (backend.isEjected) this.#tellOf(backend, 'answered')
    else backend.healthMemory.endStreak()
  }

  failed(lease: Lease): void {
    const { backend } = lease
    if (!this.hasHistory || this.#isOutdated(lease)) return
    if (!backend.isEjected) {
      if (backend.healthMemory.addFailure() >= this.#limit) this.#tellOf(backend, 'failing')
    } else if (this.probes.isProbe(lease)) this.#tellOf(backend, 'failing')
  }

  cancelled(lease: Lease): void {
    if (this.probes.isProbe(lease)) this.probes.restart(lease.backend)
  }

  reset(): void {}

  enforceMaxPercent(): void {}

  forget(backend: Backend): void {
    this.#since.delete(backend)
    this.probes.forget(backend)
  }

  close(): void {}

  #isOutdated(lease: Lease): boolean {
    const since = this.#since.get(lease.backend)
    return since !== undefined && lease.ordinal <= since.lastOrdinal
  }

  #tellOf(backend: Backend, kind: 'failing' | 'answered'): void {
    const since = this.#since.get(backend) ?? { lastOrdinal: 0, toldAt: Number.NEGATIVE_INFINITY }
    this.#since.set(backend, since)
    const now = this.#clock.now()
    if (now < since.toldAt + TOLD_INTERVAL_MS) return
    since.toldAt = now
    const { row, ejections, isEjected } = backend
    this.#tell({ kind, row, ejections, isEjected })
  }
}
