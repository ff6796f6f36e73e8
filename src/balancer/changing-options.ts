import type { HealthInitial } from './backends/spec.js'
import type { PanicMode } from './health/panic.js'
import type { HedgeAfter } from './resilience/hedging.js'

/** Options of a pool, besides its backends and its policy, that may change while the pool is in use. */
export interface ChangingOptions {
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
  /**
   * `on` by default: where a store is shared, requests that other gateways have in flight count in a choice. `off`: they
   * are only shown.
   */
  fleetCounts?: FleetCounts | undefined
  /** Largest number of retries, in percent of the requests of the last 10 seconds; 20 by default. */
  retryBudget?: number | undefined
  /**
   * The time after which a request is hedged: a number of milliseconds, the 95th percentile of response times (`p95`),
   * or never; `off` by default.
   */
  hedge?: HedgeAfter | undefined
  /** Largest number of hedges, in percent of the requests of the last 10 seconds; 5 by default. */
  hedgeBudget?: number | undefined
}

export const fleetCountsModes = ['on', 'off'] as const

export type FleetCounts = (typeof fleetCountsModes)[number]

export const affinityDrains = ['keep', 'move'] as const

export type AffinityDrain = (typeof affinityDrains)[number]
