import { SlidingCount } from '../stats/sliding-count.js'
import type { Clock } from '../time/clock.js'

/** Over how long the rate is measured at which requests are done. */
const RATE_WINDOW_MS = 10_000
/** Longest time that a client is asked to wait before it tries again. */
const MAX_RETRY_AFTER_S = 300

/** Estimates when a request that finds no room is worth another try, from the rate at which requests are done. */
export class RetryAfter {
  readonly #done: SlidingCount
  readonly #fallback: number

  /** @param fallback seconds, for use where no request was done recently */
  constructor(fallback: number, clock: Clock) {
    this.#fallback = fallback
    this.#done = new SlidingCount(RATE_WINDOW_MS, clock)
  }

  /** A request was done, and its slot is free. */
  countDone(): void {
    this.#done.add()
  }

  /** Whole seconds, from 1 to 300, until so many requests would be served at the rate of the last ten seconds. */
  secondsFor(requests: number): number {
    const { rate } = this.#done
    const seconds = rate > 0 ? requests / rate : this.#fallback
    return Math.min(MAX_RETRY_AFTER_S, Math.max(1, Math.ceil(seconds)))
  }
}
