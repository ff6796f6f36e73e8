import type { RecentCount } from '../memory.js'

/** Window in which requests and attempts are counted and compared. */
export const BUDGET_WINDOW_MS = 10_000
/**
 * Number of retries in a window that are allowed whatever the number of requests, so that a quiet pool retries, too.
 */
const RETRY_RESERVE = 10

/** Returns the number of further attempts that are allowed for this number of requests. */
export type Allowance = (requests: number) => number

/**
 * Allows a reserve of retries and a percentage of the requests, as finagle's RetryBudget does
 * (https://twitter.github.io/finagle/guide/Clients.html#retries).
 * @param percent percentage of the requests that may be retried; 0 for no retry at all
 */
export const retryAllowance =
  (percent: number): Allowance =>
  (requests) =>
    percent === 0 ? 0 : RETRY_RESERVE + (percent / 100) * requests

/**
 * Allows a percentage of the requests to be hedged, and at least one.
 * @param percent percentage of the requests that may be hedged; 0 for no hedge at all
 */
export const hedgeAllowance =
  (percent: number): Allowance =>
  (requests) =>
    percent === 0 ? 0 : Math.max(1, (percent / 100) * requests)

/**
 * Limits retries, or hedges, to a part of the requests, because a pool in trouble must not get a multiple of its load.
 */
export class Budget {
  #allowance: Allowance
  readonly #requests: RecentCount
  readonly #spent: RecentCount

  /**
   * @param requests the recent requests of the pool
   * @param spent the recent retries, or hedges
   */
  constructor(allowance: Allowance, requests: RecentCount, spent: RecentCount) {
    this.#allowance = allowance
    this.#requests = requests
    this.#spent = spent
  }

  /** Takes another allowance. What was spent before counts. */
  configure(allowance: Allowance): void {
    this.#allowance = allowance
  }

  /**
   * Returns true if one more attempt is within the budget.
   * @param part the part of the budget that may be used, from 0 to 1
   */
  allows(part = 1): boolean {
    return this.#spent.sum + 1 <= part * this.#allowance(this.#requests.sum)
  }

  /**
   * Takes one attempt from the budget.
   * @returns false if the budget is used up
   */
  spend(): boolean {
    if (!this.allows()) return false
    this.#spent.add()
    return true
  }
}
