import type { PolicyName } from './selection/policies/index.js'
import type { RefusalCounts } from './stats/refusal-counter.js'

/** The state of a pool as a whole. */
export interface PoolView {
  policy: PolicyName
  /** Registered backends. */
  backends: number
  /** Number of backends that may be given requests now. */
  eligible: number
  /** Whether so few backends are healthy that health is ignored. */
  panic: boolean
  inFlight: number
  queue: { length: number; limit: number }
  /** Counts so far: requests that were given to a backend, retries after a failure, and hedges. */
  requests: number
  retries: number
  hedges: number
  /** Requests that clients got a 503 for so far, by error code. */
  refused: RefusalCounts
  closing: boolean
}
