import type { Clock } from './clock.js'
import { SlidingCount } from './sliding-count.js'

/** Milliseconds over which requests and retries are compared. */
const WINDOW = 10_000
/** Retries in a window that are granted whatever the number of requests: a quiet pool retries, too. */
const RESERVE = 10

/**
 * Keeps retries below a share of the requests, so that a pool in trouble is not given a multiple of its load
 * on top. After finagle's RetryBudget
 * (https://twitter.github.io/finagle/guide/Clients.html#retries): a share of the requests of the last ten
 * seconds, plus a small reserve.
 */
export class RetryBudget {
  readonly #share: number
  readonly #reserve: number
  readonly #requests: SlidingCount
  readonly #retries: SlidingCount

  /** @param percent of the requests; 0 for none of those that count */
  constructor(percent: number, clock: Clock) {
    this.#share = percent / 100
    this.#reserve = percent === 0 ? 0 : RESERVE
    this.#requests = new SlidingCount(WINDOW, clock)
    this.#retries = new SlidingCount(WINDOW, clock)
  }

  /** A request came in. */
  request(): void {
    this.#requests.add()
  }

  /** Whether one more retry is within the budget; where it is, it is taken from it. */
  retry(): boolean {
    if (this.#retries.sum + 1 > this.#reserve + this.#share * this.#requests.sum) return false
    this.#retries.add()
    return true
  }
}
