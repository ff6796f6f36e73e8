/** The queue of this thread, as the queues of other threads reach it. */
export interface CalledQueue {
  /** True if so many requests wait in all threads that any other one is refused. */
  readonly isFull: boolean
  /** Serves the queue. */
  serve(): void
  /** Serves the first request even from a backend that should rest. */
  relieve(): void
}

/**
 * What the queue of this thread has to know of the queues of other threads that share the pool. In a thread the first
 * request comes first; between threads the one that waits longest, see `SharedQueues`.
 */
export interface OtherQueues {
  /** Number of requests that wait in all threads, this one included. */
  readonly waiting: number
  /** True if a thread was called a moment ago and has not answered yet: a free slot may be on its way to somebody. */
  readonly isCalling: boolean
  /** Connects the queue of this thread. */
  begin(queue: CalledQueue): void
  /**
   * Counts a request that begins to wait in this thread.
   * @param limit largest number of requests that wait in all threads
   * @param since monotonic milliseconds at which the request began to wait
   * @returns false if the limit is reached, so that the request was not counted
   */
  enter(limit: number, since: number): boolean
  /**
   * Counts a request of this thread that no longer waits.
   * @param since see {@link firstSince}; undefined where no request of this thread waits any more
   */
  leave(since: number | undefined): void
  /**
   * Tells other threads since when the first request of this thread waits.
   * @param since monotonic milliseconds
   */
  firstSince(since: number): void
  /** Says that a backend may have become free, for which all queues are worth another look. */
  renew(): void
  /** Says that this thread looks at the backends now, and need not be called for what became free before. */
  look(): void
  /** Says that this thread, since its last look, found no backend for its requests. */
  missed(): void
  /**
   * Returns true if a free slot belongs to a request of this thread, and not to one of another thread.
   * @param since monotonic milliseconds at which the request began to wait; the present time if it has just come
   */
  isTurnOf(since: number): boolean
  /**
   * Calls the thread whose first request has waited longest, if a slot is free for it.
   * @param before only a thread whose first request came before this time, in monotonic milliseconds, is called
   */
  passOn(before?: number): void
  /** Counts requests that only the timer of the queue found a slot for. */
  servedByTimer(requests: number): void
}
