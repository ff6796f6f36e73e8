import type { Clock } from './clock.js'

/** Milliseconds over which requests and retries are compared. */
const WINDOW = 10_000
const SLICES = 10
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
  readonly #clock: Clock
  readonly #requests = new Array<number>(SLICES).fill(0)
  readonly #retries = new Array<number>(SLICES).fill(0)
  /** Number of the newest slice since the clock's origin. */
  #newest = 0

  /** @param percent of the requests; 0 for none of those that count */
  constructor(percent: number, clock: Clock) {
    this.#share = percent / 100
    this.#reserve = percent === 0 ? 0 : RESERVE
    this.#clock = clock
  }

  /** A request came in. */
  request(): void {
    const slice = this.#slice()
    this.#requests[slice] = (this.#requests[slice] as number) + 1
  }

  /** Whether one more retry is within the budget; where it is, it is taken from it. */
  retry(): boolean {
    const slice = this.#slice()
    if (sum(this.#retries) + 1 > this.#reserve + this.#share * sum(this.#requests)) return false
    this.#retries[slice] = (this.#retries[slice] as number) + 1
    return true
  }

  /** The slice of now; those that were passed since the last call are emptied. */
  #slice(): number {
    const now = Math.floor(this.#clock.now() / (WINDOW / SLICES))
    const passed = Math.min(now - this.#newest, SLICES)
    for (let i = 0; i < passed; i++) {
      this.#requests[(now - i) % SLICES] = 0
      this.#retries[(now - i) % SLICES] = 0
    }
    this.#newest = now
    return now % SLICES
  }
}

function sum(slices: readonly number[]): number {
  return slices.reduce((total, count) => total + count, 0)
}
