import type { Backend } from '../backends/backend.js'
import type { Lease } from '../leases/lease.js'
import type { RequestTraits } from '../leases/lease-request.js'

/** The probes of ejected backends, as a choice works with them. */
export interface Probes {
  /** True if any backend is due, which means that it waits for a request that probes it. */
  readonly anyDue: boolean
  /** Returns the backend that this request should probe; undefined for none. */
  next(request: RequestTraits): Backend | undefined
  /** Takes the probe of a backend. Returns false if another thread was quicker. */
  take(backend: Backend): boolean
  /** Gives a probe back that was taken, because no request could be given to the backend. */
  giveBack(backend: Backend): void
  /** Makes the request of this lease the probe of its backend, once the probe was taken. */
  start(lease: Lease): void
  /**
   * Returns what an ejected backend waits for: the end of its ejection time (`time`), a request that probes it
   * (`request`), or the result of that request (`trial`).
   */
  waitsFor(backend: Backend): 'time' | 'request' | 'trial'
}

/** The probes of ejected backends, as the code that ejects them works with them. */
export interface ScheduledProbes extends Probes {
  /** Takes another base ejection time, in milliseconds. */
  configure(baseMs: number): void
  /** Makes a backend due after its ejection time. */
  schedule(backend: Backend, ejectionMs: number): void
  /** Returns true if the request of this lease probes its backend. */
  isProbe(lease: Lease): boolean
  /** Makes the backend due again, because its probe ended without a result. */
  restart(backend: Backend): void
  /** Ends the probing of a backend. */
  end(backend: Backend): void
  /** Cancels all timers. */
  close(): void
}

export interface EjectionOptions {
  /** Number of failures in a row that eject a backend. */
  consecutive: number
  /**
   * Milliseconds of the first ejection of a backend; the second in a row takes twice as long, the third three times,
   * and so on.
   */
  base: number
  /** Milliseconds of the longest ejection. */
  max: number
  /** Largest percentage of the pool's backends that may be ejected at once; 0 for no ejection. */
  maxPercent: number
}

/** Hears of the results of requests, and ejects backends by them; see `Ejection`. */
export interface PassiveHealth {
  /** True if successes have to be reported. */
  readonly hasHistory: boolean
  readonly probes: Probes
  /** Takes other options. Failures in a row and ejections so far are kept. */
  configure(options: EjectionOptions): void
  /** Records the first bytes of an answer that is no gateway failure. */
  answered(lease: Lease): void
  /** Records that a request succeeded. */
  succeeded(lease: Lease): void
  /** Records that a request failed through the fault of its backend. */
  failed(lease: Lease): void
  /** Records that a request ended without a fault of its backend. */
  cancelled(lease: Lease): void
  /** Ends an ejection without a probe, because something else shows that the backend is well. */
  reset(backend: Backend): void
  /** Reinstates backends until the largest percentage of ejected backends holds again, after a change of the pool. */
  enforceMaxPercent(): void
  /** Forgets a backend that was removed. */
  forget(backend: Backend): void
  /** Cancels all timers. */
  close(): void
}
