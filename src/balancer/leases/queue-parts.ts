import type { RecentCount } from '../memory.js'
import type { ObserverGuard } from '../observer-guard.js'
import type { Clock } from '../time/clock.js'
import type { LeaseSource } from './lease-request.js'
import type { OtherQueues } from './other-queues.js'

export interface QueueOptions {
  /** Largest number of waiting requests; 0 for no queue. */
  limit: number
  /** Milliseconds that a request may wait. */
  timeout: number
}

/** The parts of a pool that its queue works with. */
export interface QueueParts {
  readonly clock: Clock
  readonly source: LeaseSource
  readonly observerGuard: ObserverGuard
  /** Requests that finished within the window of `RetryAfter`, in all threads that share the pool. */
  readonly done: RecentCount
  /** The queues of other threads; undefined where no other thread carries traffic of the pool. */
  readonly others: OtherQueues | undefined
  /** Is called when a request begins to wait. */
  readonly onJoin?: (() => void) | undefined
}
