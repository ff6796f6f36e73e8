import type { PolicyName } from './selection/policies/index.js'
import type { RefusalCounts } from './stats/refusal-counter.js'

/** How a pool is, as a whole. */
export interface PoolView {
  policy: PolicyName
  /** Registered backends. */
  backends: number
  /** Backends that requests are given to now. */
  eligible: number
  /** Health leaves too little, and is ignored. */
  panic: boolean
  inFlight: number
  queue: { length: number; limit: number }
  /** So far: requests that were given to a backend, further tries after a failure, and second ones at the same time. */
  requests: number
  retries: number
  hedges: number
  /** Requests that clients were answered 503 for so far, by the code of the error. */
  refused: RefusalCounts
  closing: boolean
}
