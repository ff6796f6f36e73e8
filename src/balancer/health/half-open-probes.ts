import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import type { Lease } from '../leases/lease.js'
import type { RequestTraits } from '../leases/lease-request.js'
import type { Clock } from '../time/clock.js'
import type { ScheduledProbes } from './passive-health.js'

/** The part of the base ejection time for which a due backend waits for a request that can be repeated. */
export const REPEATABLE_ONLY_PART = 0.1

interface Probe {
  /** The lease of the request that probes the backend; undefined as long as no request does. */
  lease: Lease | undefined
  /** Cancels the timer after which the next request probes the backend. */
  cancelTimer: () => void
}

/**
 * The probes of ejected backends, like the half-open state of a circuit breaker
 * (https://learn.microsoft.com/en-us/azure/architecture/patterns/circuit-breaker): once the ejection time is over, a
 * single request probes the backend, and its result decides. Every ejected backend has a probe here until it is
 * reinstated.
 */
export class HalfOpenProbes implements ScheduledProbes {
  /** True if any backend is due, which means that it waits for a request that probes it. */
  anyDue = false
  readonly #registry: Registry
  readonly #clock: Clock
  #baseMs: number
  readonly #onDue: () => void
  readonly #probes = new Map<Backend, Probe>()
  /** Monotonic milliseconds at which each due backend became due; the one that has waited longest comes first. */
  readonly #due = new Map<Backend, number>()

  /**
   * @param baseMs milliseconds of the base ejection time; a probe without a result for that long is followed by another
   *   one
   * @param onDue called when a backend becomes due
   */
  constructor(registry: Registry, clock: Clock, baseMs: number, onDue: () => void) {
    this.#registry = registry
    this.#clock = clock
    this.#baseMs = baseMs
    this.#onDue = onDue
  }

  configure(baseMs: number): void {
    this.#baseMs = baseMs
  }

  /**
   * Returns the backend that this request should probe; undefined for none. For a while a backend is not probed with a
   * request that cannot be repeated.
   */
  next({ except, repeatable = true }: RequestTraits): Backend | undefined {
    const spareMs = repeatable ? 0 : this.#baseMs * REPEATABLE_ONLY_PART
    const now = this.#clock.now()
    for (const [backend, dueSince] of this.#due) {
      if (now < dueSince + spareMs) break
      if (backend.backup && !this.#registry.usesBackups) continue
      const isReady = backend.state === 'active' && backend.health === 'ejected' && !backend.isFull
      if (isReady && !except?.has(backend)) return backend
    }
    return undefined
  }

  waitsFor(backend: Backend): 'time' | 'request' | 'trial' {
    if (this.#due.has(backend)) return 'request'
    return this.#probes.get(backend)?.lease?.held ? 'trial' : 'time'
  }

  /** Makes a backend due after its ejection time. */
  schedule(backend: Backend, ejectionMs: number): void {
    this.end(backend)
    const cancelTimer = this.#clock.after(ejectionMs, () => this.#makeDue(backend))
    this.#probes.set(backend, { lease: undefined, cancelTimer })
  }

  take(): boolean {
    return true
  }

  giveBack(): void {}

  /** Makes the request of this lease the probe of its backend. */
  start(lease: Lease): void {
    const { backend } = lease
    const probe = this.#probes.get(backend) as Probe
    this.#removeDue(backend)
    probe.lease = lease
    // A slow upload or a silent stream must not keep the backend out.
    probe.cancelTimer = this.#clock.after(this.#baseMs, () => this.#makeDue(backend))
  }

  /** Returns true if the request of this lease probes its backend. */
  isProbe(lease: Lease): boolean {
    return this.#probes.get(lease.backend)?.lease === lease
  }

  /** Makes the backend due again, because its probe ended without a result. */
  restart(backend: Backend): void {
    const probe = this.#probes.get(backend) as Probe
    probe.cancelTimer()
    probe.lease = undefined
    this.#makeDue(backend)
  }

  /** Ends the probing of a backend. */
  end(backend: Backend): void {
    this.#probes.get(backend)?.cancelTimer()
    this.#probes.delete(backend)
    this.#removeDue(backend)
  }

  /** Cancels all timers. */
  close(): void {
    for (const { cancelTimer } of this.#probes.values()) cancelTimer()
    this.#due.clear()
    this.anyDue = false
  }

  #makeDue(backend: Backend): void {
    this.#due.delete(backend)
    this.#due.set(backend, this.#clock.now())
    this.anyDue = true
    this.#onDue()
  }

  #removeDue(backend: Backend): void {
    this.#due.delete(backend)
    this.anyDue = this.#due.size > 0
  }
}
