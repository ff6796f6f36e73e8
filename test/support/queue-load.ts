import type { PoolHandle } from '../../src/balancer/threads/messages.js'

/** What a thread of `queue-worker.ts` is given. */
export interface QueueLoad {
  pool: PoolHandle
  queueLimit: number
  /** Number of requests of this thread, and how many of them there are at a time. */
  requests: number
  atOnce: number
  /** Longest time for which a request is in flight, in milliseconds; the shortest is 1. */
  longestHold: number
  /** Milliseconds for which this thread blocks its event loop again and again; 0 for never. */
  blocks: number
  /** For each backend the requests in flight on it now, and the most there ever were. */
  seen: Int32Array
  /** Numbers of requests of all threads: see {@link SERVED}, {@link REFUSED} and {@link WAITING}. */
  results: Int32Array
  /** While this is 0, nothing is released. */
  gate: Int32Array
}

export const SERVED = 0
export const REFUSED = 1
export const WAITING = 2
