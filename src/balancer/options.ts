import type { BackendTls } from './backends/backend-tls.js'
import { type BackendRecord, type HealthInitial, healthInitials } from './backends/spec.js'
import { InvalidOptionError } from './errors.js'
import { type PanicMode, panicModes } from './health/panic.js'
import { type OnObserverError, warn } from './observer-guard.js'
import type { HedgeAfter } from './resilience/hedging.js'
import type { PoolHandle } from './threads/messages.js'
import { type Clock, MAX_TIMER_MS, systemClock } from './time/clock.js'

/** Options of a pool. Each can be left out; times are milliseconds. */
export interface BalancerOptions {
  /** Backends that are registered at the start: URLs or whole descriptions. */
  backends?: readonly (string | BackendRecord)[] | undefined
  /** Name of the policy that chooses a backend; `least-connections` by default. */
  policy?: string | undefined
  /**
   * Largest number of requests in flight on a backend that is registered without a limit; 0 by default, for no limit.
   */
  maxConnections?: number | undefined
  /**
   * Largest number of requests that wait while every usable backend is at its limit; 1,000 by default, 0 for no queue.
   */
  queueLimit?: number | undefined
  /** Milliseconds that a request may wait in the queue; 5,000 by default, 0 for no queue. */
  queueTimeout?: number | undefined
  /** Milliseconds of the slow start of a backend that joins or recovers; 10,000 by default, 0 for none. */
  slowStart?: number | undefined
  /** Number of failures in a row that eject a backend; 5 by default. */
  ejectConsecutive?: number | undefined
  /** The load of a tunnel without traffic, in percent of a request's load; 0 by default. */
  tunnelWeight?: number | undefined
  /** Milliseconds of the first ejection of a backend; 10,000 by default. */
  ejectBase?: number | undefined
  /** Milliseconds of the longest ejection of a backend; 300,000 by default. */
  ejectMax?: number | undefined
  /** Largest percentage of backends that may be ejected at once; 50 by default, 0 for no ejection. */
  ejectMaxPercent?: number | undefined
  /** Milliseconds in which the failure rate behind a penalty falls to 1/e; 10,000 by default, 0 for no penalty. */
  failureDecay?: number | undefined
  /** The mode of panic: which other backends are used when too few are usable; `ejected` by default. */
  panic?: PanicMode | undefined
  /** Percentage of usable backends below which panic begins; 0 by default, for panic only when none is usable. */
  panicThreshold?: number | undefined
  /** Tells whether a backend is used before its first check has passed; `usable` by default. */
  healthInitial?: HealthInitial | undefined
  /** Milliseconds that requests in flight may take when their backend is drained; 30,000 by default. */
  drainTimeout?: number | undefined
  /**
   * `off` by default: keys of requests make no difference. With any other text, requests with a `key` go to the backend
   * of their key; the text may say where the caller finds the keys.
   */
  affinity?: string | undefined
  /**
   * Percent of the mean load past which the backend of a key is passed over for the next one: 125 by default, 0 for any
   * load, otherwise above 100.
   */
  affinityOverload?: number | undefined
  /**
   * What a drain means for requests with a key, `keep` by default: the backend keeps its keys for nine tenths of the
   * time. With `move` they go to others at once.
   */
  affinityDrain?: AffinityDrain | undefined
  /** Largest number of retries, in percent of the requests of the last 10 seconds; 20 by default. */
  retryBudget?: number | undefined
  /**
   * The time after which a request is hedged: a number of milliseconds, the 95th percentile of response times (`p95`),
   * or never; `off` by default.
   */
  hedge?: HedgeAfter | undefined
  /** Largest number of hedges, in percent of the requests of the last 10 seconds; 5 by default. */
  hedgeBudget?: number | undefined
  /**
   * Called with the error that a listener of the pool, or the callback of a lease request, has thrown; the pool goes
   * on. By default the process emits a warning.
   */
  onObserverError?: OnObserverError | undefined
  /**
   * Called with the TLS fields of a backend (`ca`, `cert` and so on) before they come into force. It throws an
   * {@link InvalidBackendError} to refuse them. By default any are accepted, because the core opens no file.
   */
  verifyTls?: ((tls: BackendTls) => void) | undefined
  /**
   * Largest number of other threads that carry the traffic of the pool, while this thread controls it; see
   * `balancer.workers`. 0 by default, for a pool whose traffic this thread carries.
   */
  workers?: number | undefined
  /** The handle of a pool that another thread controls, for which this thread carries traffic. */
  shared?: PoolHandle | undefined
  clock?: Clock | undefined
  /** Source of random numbers, uniform in [0, 1). */
  random?: (() => number) | undefined
}

export const affinityDrains = ['keep', 'move'] as const

export type AffinityDrain = (typeof affinityDrains)[number]

/** All options, with the defaults filled in. */
export type CompleteOptions = {
  [K in keyof Required<Omit<BalancerOptions, 'shared'>>]: Exclude<BalancerOptions[K], undefined>
} & Pick<BalancerOptions, 'shared'>

/** The defaults of all options. Settings of a pool take their defaults from here. */
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
  affinity: 'off',
  affinityOverload: 125,
  affinityDrain: 'keep',
  retryBudget: 20,
  hedge: 'off',
  hedgeBudget: 5,
  workers: 0,
  onObserverError: warn,
  verifyTls: () => {},
  clock: systemClock,
  random: Math.random,
})

/**
 * Fills in the defaults.
 * @throws {InvalidOptionError} for a number that is not valid, an unknown mode of panic, initial health or `hedge`, and
 *   for `workers` beside `shared`
 */
export function withDefaults(options: BalancerOptions): CompleteOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const complete: CompleteOptions = { ...defaults, ...Object.fromEntries(given) }
  for (const [name, fallback] of Object.entries(defaults)) {
    if (typeof fallback !== 'number') continue
    const value = complete[name as keyof CompleteOptions]
    if (typeof value === 'number' && value >= 0 && Number.isFinite(value)) continue
    throw new InvalidOptionError(name, 'must be a number from 0 on')
  }
  if (!Number.isInteger(complete.workers)) throw new InvalidOptionError('workers', 'must be a whole number')
  if (complete.workers > 0 && complete.shared)
    throw new InvalidOptionError('workers', 'belongs to the thread that controls the pool, not to a worker')
  if (!panicModes.includes(complete.panic)) {
    throw new InvalidOptionError('panic', `must be one of ${panicModes.join(', ')}`)
  }
  if (!healthInitials.includes(complete.healthInitial)) {
    throw new InvalidOptionError('healthInitial', `must be one of ${healthInitials.join(', ')}`)
  }
  const { hedge, affinityOverload } = complete
  if (affinityOverload > 0 && affinityOverload <= 100)
    throw new InvalidOptionError('affinityOverload', 'must be 0 or a number above 100')
  if (!affinityDrains.includes(complete.affinityDrain))
    throw new InvalidOptionError('affinityDrain', `must be one of ${affinityDrains.join(', ')}`)
  if (
    hedge !== 'off' &&
    hedge !== 'p95' &&
    !(typeof hedge === 'number' && hedge > 0 && hedge <= MAX_TIMER_MS)
  ) {
    throw new InvalidOptionError('hedge', 'must be a number above 0, "p95" or "off"')
  }
  return complete
}

/** Returns the description of a backend from the options, which may be its URL alone. */
export function toRecord(backend: string | BackendRecord): BackendRecord {
  return typeof backend === 'string' ? { url: backend } : backend
}
