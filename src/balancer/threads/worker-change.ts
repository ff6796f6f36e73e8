import type { PoolWorker } from './pool-worker.js'

/** What happened to a worker. */
export interface WorkerChange {
  /** The number of the worker, from 0 on. */
  number: number
  /** The worker takes part in the pool, its event loop does not turn, or its thread has ended. */
  state: 'started' | 'silent' | 'ended'
  /** Why it ended, for people; null where nobody said why, or where it did not end. */
  reason: string | null
  /** Number of requests that it had in flight when it ended. */
  cut: number
}

export interface PoolWorkersEvents {
  /** A worker's event loop has not turned for 5 seconds. It should be ended, and another one started. */
  silent: [PoolWorker]
  /** A worker did not answer a question within a second, so the answer is without what it knows. */
  unanswered: [PoolWorker, Error]
  change: [WorkerChange]
}
