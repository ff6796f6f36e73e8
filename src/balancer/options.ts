import { type BackendRecord, type HealthInitial, healthInitials } from './backends/spec.js'
import { InvalidOptionError } from './errors.js'
import { type PanicMode, panicModes } from './health/panic.js'
import { type OnObserverError, warn } from './observer-guard.js'
import type { HedgeAfter } from './resilience/hedging.js'
import { type Clock, MAX_TIMER_MS, systemClock } from './time/clock.js'

/** All times in milliseconds. */
export interface BalancerOptions {
  /** Registered at the start: URLs or whole descriptions. */
  backends?: readonly (string | BackendRecord)[] | undefined
  /** `least-connections` by default. */
  policy?: string | undefined
  /** Limit of a backend that is registered without one; 0, the default, for none. */
  maxConnections?: number | undefined
  /** Requests that may wait while every backend is at its limit; 1,000 by default, 0 for none. */
  queueLimit?: number | undefined
  /** How long they may wait; 5,000 by default. */
  queueTimeout?: number | undefined
  /** Ramp of a backend that is registered later, activated or well again; 10,000 by default, 0 for none. */
  slowStart?: number | undefined
  /** Failures in a row that eject a backend; 5 by default. */
  ejectConsecutive?: number | undefined
  /** What a tunnel without traffic counts in a choice, in percent of a request; 0, the default, for nothing. */
  tunnelWeight?: number | undefined
  /** First ejection; 10,000 by default. */
  ejectBase?: number | undefined
  /** Longest ejection; 300,000 by default. */
  ejectMax?: number | undefined
  /** Ceiling of ejected backends in percent; 50 by default, 0 for no ejection. */
  ejectMaxPercent?: number | undefined
  /** Time in which a failure penalty falls to a third; 10,000 by default, 0 for no penalty. */
  failureDecay?: number | undefined
  /** Whom to fall back on when too few are usable; `ejected` by default. */
  panic?: PanicMode | undefined
  /** Percentage of usable backends below which are too few; 0, the default, for when none is left. */
  panicThreshold?: number | undefined
  /** Whether a backend is used before its first check has passed; `usable` by default. */
  healthInitial?: HealthInitial | undefined
  /** How long requests in flight may take on a drain; 30,000 by default. */
  drainTimeout?: number | undefined
  /** Ceiling of retries in percent of requests; 20 by default. */
  retryBudget?: number | undefined
  /** What `hedging` says, to whoever sends the requests: milliseconds after which to ask a second backend, `p95`, or
   * `off`, the default. */
  hedge?: HedgeAfter | undefined
  /** Ceiling of that in percent of requests; 5 by default. */
  hedgeBudget?: number | undefined
  /**
   * Told what a listener of the pool threw, or whoever takes a lease when it was granted; that ends nothing. By default
   * it is a warning of the process.
   */
  onObserverError?: OnObserverError | undefined
  clock?: Clock | undefined
  /** Uniform in [0, 1). */
  random?: (() => number) | undefined
}

/** All options, with the defaults filled in. */
export type CompleteOptions = {
  [K in keyof Required<BalancerOptions>]: Exclude<BalancerOptions[K], undefined>
}

/** What counts where an option is left out. Settings of a pool take their defaults from here. */
export const defaults: Readonly<CompleteOptions> = Object.freeze({
  backends: [],
  policy: 'least-connections',
  maxConnections: 0,
  queueLimit: 1000,
  queueTimeout: 5000,
  slowStart: 10_000,
  tunnelWeight: 0,
  ejectConsecutive: 5,
  ejectBase: 10_000,
  ejectMax: 300_000,
  ejectMaxPercent: 50,
  failureDecay: 10_000,
  panic: 'ejected',
  panicThreshold: 0,
  healthInitial: 'usable',
  drainTimeout: 30_000,
  retryBudget: 20,
  hedge: 'off',
  hedgeBudget: 5,
  onObserverError: warn,
  clock: systemClock,
  random: Math.random,
})

/** @throws {InvalidOptionError} for a number that is none, or negative, a mode of panic that there is not, and `hedge` */
export function withDefaults(options: BalancerOptions): CompleteOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const complete: CompleteOptions = { ...defaults, ...Object.fromEntries(given) }
  for (const [name, fallback] of Object.entries(defaults)) {
    if (typeof fallback !== 'number') continue
    const value = complete[name as keyof CompleteOptions]
    if (typeof value === 'number' && value >= 0 && Number.isFinite(value)) continue
    throw new InvalidOptionError(name, 'must be a number from 0 on')
  }
  if (!panicModes.includes(complete.panic)) {
    throw new InvalidOptionError('panic', `must be one of ${panicModes.join(', ')}`)
  }
  if (!healthInitials.includes(complete.healthInitial)) {
    throw new InvalidOptionError('healthInitial', `must be one of ${healthInitials.join(', ')}`)
  }
  const { hedge } = complete
  if (
    hedge !== 'off' &&
    hedge !== 'p95' &&
    !(typeof hedge === 'number' && hedge > 0 && hedge <= MAX_TIMER_MS)
  ) {
    throw new InvalidOptionError('hedge', 'must be a number above 0, "p95" or "off"')
  }
  return complete
}
