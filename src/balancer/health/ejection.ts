import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import type { Lease } from '../leases/lease.js'
import type { RequestTraits } from '../leases/lease-request.js'
import type { Clock } from '../time/clock.js'

export interface EjectionOptions {
  /** Failures in a row that eject a backend. */
  consecutive: number
  /** Milliseconds of the first ejection; the second in a row takes twice as long, and so on. */
  base: number
  /** Milliseconds of the longest. */
  max: number
  /** Ejected backends in percent of the pool, at most; 0 for no ejection. */
  maxPercent: number
}

/** The backends of which a part may be ejected. */
interface Census {
  size: number
  ejected: number
}

/** For how much of the first ejection's time a backend waits for a request that can be repeated. */
const PATIENCE = 0.1

interface Record {
  /** Failures since the last success. */
  streak: number
  /** How often it was ejected, less what it has earned back since. */
  ejections: number
  /** When it was ejected, or came back. */
  since: number
  /** Its requests so far, at that time. They say nothing about it now. */
  before: number
  /** The request that finds out whether it is well again. */
  trial: Lease | undefined
  cancelReturn: () => void
}

/**
 * Passive health: takes a backend out for a while after failures in a row, and lets it back through a single
 * request. After Envoy's outlier detection
 * (https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/outlier): the time grows with
 * each ejection and shrinks again with each `base` that passes without, and never more than a part of the
 * pool is out. That part is of the backends that are active and not unhealthy, rounded down.
 */
export class Ejection {
  readonly #registry: Registry
  readonly #options: EjectionOptions
  readonly #clock: Clock
  readonly #onDue: () => void
  readonly #records = new Map<Backend, Record>()
  /** Ejected backends whose time is up and which wait for a request to be tried with, and since when, the first first. */
  readonly #due = new Map<Backend, number>()
  /** Counted when it is asked for, and again after the pool has changed. */
  #census: Census | undefined

  /** @param onDue called when a backend may be tried */
  constructor(registry: Registry, options: EjectionOptions, clock: Clock, onDue: () => void) {
    this.#registry = registry
    this.#options = options
    this.#clock = clock
    this.#onDue = onDue
  }

  /** Whether any backend waits for a request to be tried with. */
  get anyDue(): boolean {
    return this.#due.size > 0
  }

  /** A backend that is to be tried with this request. One that would be lost if it failed is spared for a while. */
  nextProbe({ except, repeatable = true }: RequestTraits): Backend | undefined {
    if (this.#due.size === 0) return undefined
    const patience = repeatable ? 0 : this.#options.base * PATIENCE
    const now = this.#clock.now()
    for (const [backend, since] of this.#due) {
      if (now < since + patience) break
      if (backend.backup && !this.#registry.usesBackups) continue
      const able = backend.state === 'active' && backend.health === 'ejected' && !backend.isFull
      if (able && !except?.has(backend)) return backend
    }
    return undefined
  }

  /** What an ejected backend waits for: its time, a request to be tried with, or what becomes of that request. */
  waitsFor(backend: Backend): 'time' | 'request' | 'trial' {
    if (this.#due.has(backend)) return 'request'
    return this.#records.get(backend)?.trial?.held ? 'trial' : 'time'
  }

  /** The request that a backend is tried with. */
  startProbe(lease: Lease): void {
    const record = this.#records.get(lease.backend) as Record
    this.#due.delete(lease.backend)
    record.trial = lease
    // A client that takes its time, or a stream that says nothing, does not keep a backend out.
    record.cancelReturn = this.#clock.after(this.#options.base, () => this.#offer(lease.backend))
  }

  /** A request begins to be answered well. That is enough for a trial: a stream may take for ever. */
  answered(lease: Lease): void {
    const record = this.#records.get(lease.backend)
    if (record?.trial === lease) this.#reinstate(lease.backend, record)
  }

  succeeded(lease: Lease): void {
    const record = this.#current(lease)
    if (!record) return
    record.streak = 0
    // Where nobody else was left, any request may have been given to it.
    if (lease.backend.isEjected) this.#reinstate(lease.backend, record)
  }

  failed(lease: Lease): void {
    const record = this.#current(lease) ?? this.#begin(lease)
    if (!record) return
    const { backend } = lease
    if (backend.isEjected) {
      if (record.trial === lease) this.#eject(backend, record)
      return
    }
    record.streak++
    if (record.streak >= this.#options.consecutive && this.#allows(1)) this.#eject(backend, record)
  }

  /** Somebody else ended the request; if it was a trial, another one is needed. */
  cancelled(lease: Lease): void {
    const record = this.#records.get(lease.backend)
    if (record?.trial !== lease) return
    record.cancelReturn()
    record.trial = undefined
    this.#offer(lease.backend)
  }

  /** Ends an ejection without a trial: something better is known. */
  reset(backend: Backend): void {
    const record = this.#records.get(backend)
    if (record && backend.isEjected) this.#reinstate(backend, record)
    if (record) record.streak = 0
  }

  /** The pool changed: those that were out longest come back where too large a part of it is out now. */
  enforceMaxPercent(): void {
    this.#census = undefined
    if (this.#records.size === 0 || this.#allows(0)) return
    for (const [backend, record] of this.#records) {
      if (counts(backend) && backend.isEjected) this.#reinstate(backend, record)
      if (this.#allows(0)) return
    }
  }

  forget(backend: Backend): void {
    this.#records.get(backend)?.cancelReturn()
    this.#records.delete(backend)
    this.#due.delete(backend)
  }

  /** Drops all timers. */
  close(): void {
    for (const { cancelReturn } of this.#records.values()) cancelReturn()
    this.#due.clear()
  }

  #begin({ backend }: Lease): Record | undefined {
    if (this.#options.maxPercent === 0 || this.#records.has(backend)) return undefined
    const since = this.#clock.now()
    const record = { streak: 0, ejections: 0, since, before: 0, trial: undefined, cancelReturn() {} }
    this.#records.set(backend, record)
    return record
  }

  #current(lease: Lease): Record | undefined {
    const record = this.#records.get(lease.backend)
    return record && lease.ordinal > record.before ? record : undefined
  }

  /** Whether the limit is kept with so many more ejected. */
  #allows(more: number): boolean {
    this.#census ??= this.#count()
    const { size, ejected } = this.#census
    return 100 * (ejected + more) <= this.#options.maxPercent * size
  }

  #count(): Census {
    const census = { size: 0, ejected: 0 }
    for (const backend of this.#registry.list()) {
      if (!counts(backend)) continue
      census.size++
      if (backend.isEjected) census.ejected++
    }
    return census
  }

  #eject(backend: Backend, record: Record): void {
    const { base, max } = this.#options
    const now = this.#clock.now()
    const earned = backend.isEjected ? 0 : Math.floor((now - record.since) / base)
    // More than the longest one takes would have to be earned back for nothing.
    record.ejections = Math.min(Math.max(0, record.ejections - earned) + 1, Math.ceil(max / base))
    const duration = Math.min(max, base * record.ejections)
    this.#turn(backend, record)
    record.cancelReturn = this.#clock.after(duration, () => this.#offer(backend))
    // The latest stands last.
    this.#records.delete(backend)
    this.#records.set(backend, record)
    this.#registry.eject(backend, duration)
  }

  #offer(backend: Backend): void {
    this.#due.delete(backend)
    this.#due.set(backend, this.#clock.now())
    this.#onDue()
  }

  #reinstate(backend: Backend, record: Record): void {
    this.#turn(backend, record)
    this.#registry.reinstate(backend)
  }

  /** What was is over. */
  #turn(backend: Backend, record: Record): void {
    record.cancelReturn()
    this.#due.delete(backend)
    record.streak = 0
    record.trial = undefined
    record.since = this.#clock.now()
    record.before = backend.leases.total
  }
}

/** Whether a backend is one of the pool that a part of may be ejected. */
function counts(backend: Backend): boolean {
  return backend.state === 'active' && backend.checked !== 'unhealthy'
}
