import { SlidingCount } from '../stats/sliding-count.js'
import type { Clock } from '../time/clock.js'

/** Requests and retries of so many milliseconds are compared. */
const WINDOW_MS = 10_000
/** Retries in a window that are allowed whatever the number of requests: a quiet pool retries, too. */
const RETRY_RESERVE = 10

/** How many further attempts are allowed for so many requests. */
type Allowance = (requests: number) => number

/**
 * Allows retries: a reserve, and a share of the requests. After finagle's RetryBudget
 * (https://twitter.github.io/finagle/guide/Clients.html#retries).
 * @param percent of the requests; 0 for no retry at all
 */
export const retryAllowance =
  (percent: number): Allowance =>
  (requests) =>
    percent === 0 ? 0 : RETRY_RESERVE + (percent / 100) * requests

/** Allows hedges: a share of the requests, and at least one. @param percent of the requests; 0 for no hedge at all */
export const hedgeAllowance =
  (percent: number): Allowance =>
  (requests) =>
    percent === 0 ? 0 : Math.max(1, (percent / 100) * requests)

/** Counts the requests of a pool, for its budgets. */
export const recentRequests = (clock: Clock): SlidingCount => new SlidingCount(WINDOW_MS, clock)

/** Limits retries, or hedges, to a share of the requests: a pool in trouble must not get a multiple of its load. */
export class Budget {
  readonly #allowance: Allowance
  readonly #requests: SlidingCount
  readonly #spent: SlidingCount

  /** @param requests the recent requests of the pool */
  constructor(allowance: Allowance, requests: SlidingCount, clock: Clock) {
    this.#allowance = allowance
    this.#requests = requests
    this.#spent = new SlidingCount(WINDOW_MS, clock)
  }

  /** Whether one more attempt is within the budget. @param part from 0 to 1, of the budget that may be used */
  allows(part = 1): boolean {
    return this.#spent.sum + 1 <= part * this.#allowance(this.#requests.sum)
  }

  /** Takes one attempt from the budget. @returns whether the budget had one */
  spend(): boolean {
    if (!this.allows()) return false
    this.#spent.add()
    return true
  }
}
