import type { StoreView } from './fleet/fleet-view.js'
import type { PolicyName } from './selection/policies/index.js'
import type { RefusalCounts } from './stats/refusals.js'

/** The state of a pool as a whole. */
export interface PoolView {
  policy: PolicyName
  /** Number of registered backends. */
  backends: number
  /** Number of backends that may be given requests now. */
  eligible: number
  /** True if health is ignored, because too few backends are healthy. */
  panic: boolean
  inFlight: number
  queue: { length: number; limit: number }
  /** Counts so far: requests that were given to a backend, retries after a failure, and hedges. */
  requests: number
  retries: number
  hedges: number
  /** Number of requests that were answered with 503 so far, by error code. */
  refused: RefusalCounts
  closing: boolean
  /** The store that gateways share; left out where the pool has none. */
  store?: StoreView
}
