import type { RecentCount } from '../memory.js'

/** Window over which the rate of finished requests is measured. */
export const RATE_WINDOW_MS = 10_000
/** Longest time for which a client is asked to wait before it tries again. */
const MAX_RETRY_AFTER_S = 300

/** Estimates when a request that finds no room is worth another try, from the rate at which requests finish. */
export class RetryAfter {
  readonly #done: RecentCount
  /** Seconds to answer where no request finished within the window. */
  fallback: number

  /**
   * @param fallback see {@link fallback}
   * @param done the requests that finished within {@link RATE_WINDOW_MS}, in all threads that share the pool
   */
  constructor(fallback: number, done: RecentCount) {
    this.fallback = fallback
    this.#done = done
  }

  /** Counts a request that finished and so freed its slot. */
  countDone(): void {
    this.#done.add()
  }

  /**
   * Returns whole seconds, from 1 to 300, until this number of requests would be served at the rate of the last 10
   * seconds.
   */
  secondsFor(requests: number): number {
    const { rate } = this.#done
    const seconds = rate > 0 ? requests / rate : this.fallback
    return Math.min(MAX_RETRY_AFTER_S, Math.max(1, Math.ceil(seconds)))
  }
}
