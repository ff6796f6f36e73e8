import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import type { Lease } from '../leases/lease.js'
import type { Clock } from '../time/clock.js'
import type { EjectionOptions, PassiveHealth, ScheduledProbes } from './passive-health.js'

/** Numbers of the backends to which the percentage `maxPercent` applies. */
interface PoolCount {
  size: number
  ejected: number
}

/** The ejections of one backend. Its failures in a row are counted in `HealthMemory`. */
interface FailureHistory {
  /** Number of ejections, less one for each `base` milliseconds that passed since without another one. */
  ejections: number
  /** Monotonic milliseconds at which the backend was last ejected or reinstated. */
  changedAt: number
  /** The ordinal of the backend's latest lease at that time: results of leases up to it are outdated. */
  lastOrdinal: number
}

/**
 * Passive health: ejects a backend for a while after failures in a row, and brings it back through a single probe, like
 * Envoy's outlier detection (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier). The
 * ejection time grows with each ejection, and shrinks again with each `base` that passes without one. `maxPercent`
 * limits how many backends are ejected at once; it is a percentage of the backends that are active and not unhealthy,
 * rounded down.
 */
export class Ejection implements PassiveHealth {
  /** True if any backend has a history of failures. While none has, successes need not be reported. */
  hasHistory = false
  /** Brings ejected backends back. */
  readonly probes: ScheduledProbes
  readonly #registry: Registry
  #options: EjectionOptions
  readonly #clock: Clock
  /** Histories of the backends that have failed; the one ejected longest ago comes first. */
  readonly #histories = new Map<Backend, FailureHistory>()
  /** The counts for `maxPercent`; undefined where they have to be counted again. */
  #count: PoolCount | undefined

  constructor(registry: Registry, options: EjectionOptions, clock: Clock, probes: ScheduledProbes) {
    this.#registry = registry
    this.#options = options
    this.#clock = clock
    this.probes = probes
  }

  /** A change of `maxPercent` comes into force with {@link enforceMaxPercent}. */
  configure(options: EjectionOptions): void {
    this.#options = options
    this.probes.configure(options.base)
  }

  /** Reinstates the backend if this lease is its probe: the first bytes suffice, because a stream may never end. */
  answered(lease: Lease): void {
    const history = this.#histories.get(lease.backend)
    if (history && this.probes.isProbe(lease)) this.#reinstate(lease.backend, history)
  }

  /** Records that a request succeeded. */
  succeeded(lease: Lease): void {
    const history = this.#historyFor(lease)
    if (!history) return
    lease.backend.healthMemory.endStreak()
    // In panic an ejected backend gets requests that are no probes, and any success reinstates it.
    if (lease.backend.isEjected) this.#reinstate(lease.backend, history)
  }

  /** Records that a request failed through the fault of its backend. */
  failed(lease: Lease): void {
    const { backend } = lease
    if (!this.#historyFor(lease) && !this.#begin(backend)) return
    if (backend.isEjected) {
      if (this.probes.isProbe(lease)) this.condemn(backend)
      return
    }
    const streak = backend.healthMemory.addFailure()
    if (streak >= this.#options.consecutive) this.condemn(backend)
  }

  /**
   * Ejects a backend that failed as often in a row as ejects it, unless too many are ejected already, or one whose
   * probe failed.
   */
  condemn(backend: Backend): void {
    const history = this.#histories.get(backend) ?? this.#begin(backend)
    if (history && (backend.isEjected || this.#allows(1))) this.#eject(backend, history)
  }

  /**
   * Records that a request ended without a fault of its backend. If the request was a probe, the next request becomes
   * the probe.
   */
  cancelled(lease: Lease): void {
    if (this.probes.isProbe(lease)) this.probes.restart(lease.backend)
  }

  /** Ends an ejection without a probe, because something else shows that the backend is well. */
  reset(backend: Backend): void {
    backend.healthMemory.endStreak()
    const history = this.#histories.get(backend)
    if (history && backend.isEjected) this.#reinstate(backend, history)
  }

  /** Reinstates the longest-ejected backends until `maxPercent` holds again, after a change of the pool. */
  enforceMaxPercent(): void {
    this.#count = undefined
    if (this.#histories.size === 0 || this.#allows(0)) return
    for (const [backend, history] of this.#histories) {
      if (isCounted(backend) && backend.isEjected) this.#reinstate(backend, history)
      if (this.#allows(0)) return
    }
  }

  /** Forgets a backend that was removed. */
  forget(backend: Backend): void {
    this.probes.end(backend)
    this.#histories.delete(backend)
    this.hasHistory = this.#histories.size > 0
  }

  /** Cancels all timers. */
  close(): void {
    this.probes.close()
  }

  #begin(backend: Backend): FailureHistory | undefined {
    if (this.#options.maxPercent === 0 || this.#histories.has(backend)) return undefined
    const history = { ejections: 0, changedAt: this.#clock.now(), lastOrdinal: 0 }
    this.#histories.set(backend, history)
    this.hasHistory = true
    return history
  }

  /** The history to which the result of this lease belongs; undefined for none, or if the result is outdated. */
  #historyFor(lease: Lease): FailureHistory | undefined {
    const history = this.#histories.get(lease.backend)
    return history && lease.ordinal > history.lastOrdinal ? history : undefined
  }

  /** Returns true if `maxPercent` holds with this number of further ejected backends. */
  #allows(more: number): boolean {
    this.#count ??= this.#countPool()
    const { size, ejected } = this.#count
    return 100 * (ejected + more) <= this.#options.maxPercent * size
  }

  #countPool(): PoolCount {
    const count = { size: 0, ejected: 0 }
    for (const backend of this.#registry.list()) {
      if (!isCounted(backend)) continue
      count.size++
      if (backend.isEjected) count.ejected++
    }
    return count
  }

  #eject(backend: Backend, history: FailureHistory): void {
    const { base, max } = this.#options
    const workedOff = backend.isEjected ? 0 : Math.floor((this.#clock.now() - history.changedAt) / base)
    // The number stops growing where the longest time is reached: any more would only have to be worked off later.
    history.ejections = Math.min(Math.max(0, history.ejections - workedOff) + 1, Math.ceil(max / base))
    const durationMs = Math.min(max, base * history.ejections)
    this.#restart(backend, history)
    this.probes.schedule(backend, durationMs)
    // Deleting the history first moves it to the end of the order.
    this.#histories.delete(backend)
    this.#histories.set(backend, history)
    this.#registry.eject(backend, durationMs)
  }

  #reinstate(backend: Backend, history: FailureHistory): void {
    this.#restart(backend, history)
    this.probes.end(backend)
    this.#registry.reinstate(backend)
  }

  /** Begins a new streak: from now on only results of new requests count. */
  #restart(backend: Backend, history: FailureHistory): void {
    backend.healthMemory.endStreak()
    history.changedAt = this.#clock.now()
    history.lastOrdinal = backend.leases.opened
  }
}

/** Returns true if a backend is one of those to which the percentage `maxPercent` applies. */
function isCounted(backend: Backend): boolean {
  return backend.state === 'active' && backend.checked !== 'unhealthy'
}
