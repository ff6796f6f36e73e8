import type { BackendTls } from './backends/backend-tls.js'
import { type BackendRecord, healthInitials } from './backends/spec.js'
import { affinityDrains, type ChangingOptions, fleetCountsModes } from './changing-options.js'
import { InvalidOptionError } from './errors.js'
import { panicModes } from './health/panic.js'
import { type OnObserverError, warn } from './observer-guard.js'
import type { PoolHandle } from './threads/messages.js'
import { type Clock, MAX_TIMER_MS, systemClock } from './time/clock.js'

/** Options of a pool. Each can be left out; times are milliseconds. */
export interface BalancerOptions extends ChangingOptions {
  /** Backends that are registered at the start: URLs or whole descriptions. */
  backends?: readonly (string | BackendRecord)[] | undefined
  /** Name of the policy that chooses a backend; `least-connections` by default. */
  policy?: string | undefined
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
  fleetCounts: 'on',
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
  if (!fleetCountsModes.includes(complete.fleetCounts))
    throw new InvalidOptionError('fleetCounts', `must be one of ${fleetCountsModes.join(', ')}`)
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
