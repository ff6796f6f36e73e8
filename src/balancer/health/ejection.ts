import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import type { Lease } from '../leases/lease.js'
import type { Clock } from '../time/clock.js'
import { HalfOpenProbes } from './half-open-probes.js'

export interface EjectionOptions {
  /** Failures in a row that eject a backend. */
  consecutive: number
  /** Milliseconds of the first ejection; the second in a row takes twice as long, and so on. */
  base: number
  /** Milliseconds of the longest ejection. */
  max: number
  /** Ejected backends in percent of the pool, at most; 0 for no ejection. */
  maxPercent: number
}

/** The backends that `maxPercent` is a part of. */
interface PoolCount {
  size: number
  ejected: number
}

/** The recent failures and ejections of one backend. */
interface FailureHistory {
  /** Failures since the last success. */
  streak: number
  /** Ejections, less one for each `base` milliseconds that passed since without another. */
  ejections: number
  /** When it was last ejected or reinstated, in monotonic milliseconds. */
  changedAt: number
  /** Ordinal of its latest request at that time: results of earlier ones say nothing about it now. */
  lastOrdinal: number
}

/**
 * Passive health: takes a backend out for a while after failures in a row, and brings it back through a single probe.
 * After Envoy's outlier detection
 * (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier): the ejection time grows with each
 * ejection and shrinks again with each `base` that passes without one, and `maxPercent` limits how many are ejected at
 * once. That percentage is of the backends that are active and not unhealthy, rounded down.
 */
export class Ejection {
  /** Whether any backend has a history of failures. While none has, successes need not be reported. */
  hasHistory = false
  /** How ejected backends come back. */
  readonly probes: HalfOpenProbes
  readonly #registry: Registry
  readonly #options: EjectionOptions
  readonly #clock: Clock
  /** In the order of the latest ejection, so that the one ejected longest ago comes first. */
  readonly #histories = new Map<Backend, FailureHistory>()
  /** Undefined when it has to be counted again. */
  #count: PoolCount | undefined

  /** @param onProbeDue called when a backend waits for a request to be probed with */
  constructor(registry: Registry, options: EjectionOptions, clock: Clock, onProbeDue: () => void) {
    this.#registry = registry
    this.#options = options
    this.#clock = clock
    this.probes = new HalfOpenProbes(registry, clock, options.base, onProbeDue)
  }

  /** The first bytes of a good response arrived. That is enough for a probe: the rest of a stream may take for ever. */
  answered(lease: Lease): void {
    const history = this.#histories.get(lease.backend)
    if (history && this.probes.isProbe(lease)) this.#reinstate(lease.backend, history)
  }

  /** A request succeeded. */
  succeeded(lease: Lease): void {
    const history = this.#historyFor(lease)
    if (!history) return
    history.streak = 0
    // In panic an ejected backend gets requests that are no probes, and any success reinstates it.
    if (lease.backend.isEjected) this.#reinstate(lease.backend, history)
  }

  /** A request failed, and the backend is to blame. */
  failed(lease: Lease): void {
    const history = this.#historyFor(lease) ?? this.#begin(lease)
    if (!history) return
    const { backend } = lease
    if (backend.isEjected) {
      if (this.probes.isProbe(lease)) this.#eject(backend, history)
      return
    }
    history.streak++
    if (history.streak >= this.#options.consecutive && this.#allows(1)) this.#eject(backend, history)
  }

  /** A request ended through no fault of the backend. If it was a probe, the next request is one instead. */
  cancelled(lease: Lease): void {
    if (this.probes.isProbe(lease)) this.probes.restart(lease.backend)
  }

  /** Ends an ejection without a probe, as something else shows that the backend is well. */
  reset(backend: Backend): void {
    const history = this.#histories.get(backend)
    if (!history) return
    history.streak = 0
    if (backend.isEjected) this.#reinstate(backend, history)
  }

  /** The pool changed: reinstates the longest-ejected backends until `maxPercent` holds again. */
  enforceMaxPercent(): void {
    this.#count = undefined
    if (this.#histories.size === 0 || this.#allows(0)) return
    for (const [backend, history] of this.#histories) {
      if (isCounted(backend) && backend.isEjected) this.#reinstate(backend, history)
      if (this.#allows(0)) return
    }
  }

  /** The backend was removed. */
  forget(backend: Backend): void {
    this.probes.end(backend)
    this.#histories.delete(backend)
    this.hasHistory = this.#histories.size > 0
  }

  /** Drops all timers. */
  close(): void {
    this.probes.close()
  }

  #begin({ backend }: Lease): FailureHistory | undefined {
    if (this.#options.maxPercent === 0 || this.#histories.has(backend)) return undefined
    const history = { streak: 0, ejections: 0, changedAt: this.#clock.now(), lastOrdinal: 0 }
    this.#histories.set(backend, history)
    this.hasHistory = true
    return history
  }

  /** The history that the result of this lease belongs to; undefined where there is none, or where it is outdated. */
  #historyFor(lease: Lease): FailureHistory | undefined {
    const history = this.#histories.get(lease.backend)
    return history && lease.ordinal > history.lastOrdinal ? history : undefined
  }

  /** Whether `maxPercent` holds with so many more ejected. */
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
    // More ejections than make the longest time would only have to be worked off later.
    history.ejections = Math.min(Math.max(0, history.ejections - workedOff) + 1, Math.ceil(max / base))
    const durationMs = Math.min(max, base * history.ejections)
    this.#restart(backend, history)
    this.probes.schedule(backend, durationMs)
    // Moves it to the end of the order.
    this.#histories.delete(backend)
    this.#histories.set(backend, history)
    this.#registry.eject(backend, durationMs)
  }

  #reinstate(backend: Backend, history: FailureHistory): void {
    this.#restart(backend, history)
    this.probes.end(backend)
    this.#registry.reinstate(backend)
  }

  /** From now on only new requests count. */
  #restart(backend: Backend, history: FailureHistory): void {
    history.streak = 0
    history.changedAt = this.#clock.now()
    history.lastOrdinal = backend.leases.total
  }
}

/** Whether a backend is one of those that `maxPercent` is a part of. */
function isCounted(backend: Backend): boolean {
  return backend.state === 'active' && backend.checked !== 'unhealthy'
}
