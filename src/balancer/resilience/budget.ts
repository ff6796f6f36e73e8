import { SlidingCount } from '../stats/sliding-count.js'
import type { Clock } from '../time/clock.js'

/** Milliseconds over which requests and further tries are compared. */
const WINDOW = 10_000
/** Retries in a window that are granted whatever the number of requests: a quiet pool retries, too. */
const RESERVE = 10

/** How many further tries so many requests are worth. */
type Allowance = (requests: number) => number

/**
 * A reserve, and a share of the requests. After finagle's RetryBudget
 * (https://twitter.github.io/finagle/guide/Clients.html#retries).
 * @param percent of the requests; 0 for none at all
 */
export const retryAllowance =
  (percent: number): Allowance =>
  (requests) =>
    percent === 0 ? 0 : RESERVE + (percent / 100) * requests

/** A share of the requests, and one where that is less. @param percent of the requests; 0 for none at all */
export const hedgeAllowance =
  (percent: number): Allowance =>
  (requests) =>
    percent === 0 ? 0 : Math.max(1, (percent / 100) * requests)

/** The requests of a pool within the last ten seconds, of which budgets are a part. */
export const recentRequests = (clock: Clock): SlidingCount => new SlidingCount(WINDOW, clock)

/** Keeps further tries below a share of the requests, so that a pool in trouble is not given a multiple of its load. */
export class Budget {
  readonly #allowance: Allowance
  readonly #requests: SlidingCount
  readonly #spent: SlidingCount

  constructor(allowance: Allowance, requests: SlidingCount, clock: Clock) {
    this.#allowance = allowance
    this.#requests = requests
    this.#spent = new SlidingCount(WINDOW, clock)
  }

  /** Whether one more is within the budget, or within a part of it. */
  allows(part = 1): boolean {
    return this.#spent.sum + 1 <= part * this.#allowance(this.#requests.sum)
  }

  /** Takes one from the budget, if it is within; returns whether it is. */
  spend(): boolean {
    if (!this.allows()) return false
    this.#spent.add()
    return true
  }
}
