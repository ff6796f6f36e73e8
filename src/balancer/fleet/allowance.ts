import type { Clock } from '../time/clock.js'

/** Allows something a number of times at once, and then once in each interval. */
export class Allowance {
  readonly #clock: Clock
  readonly #most: number
  readonly #interval: number
  #left: number
  #filledAt: number

  /**
   * @param most how often it may happen at once
   * @param interval milliseconds after which it may happen once more
   */
  constructor(clock: Clock, most: number, interval: number) {
    this.#clock = clock
    this.#most = most
    this.#interval = interval
    this.#left = most
    this.#filledAt = clock.now()
  }

  /** Returns 0 where it may happen now, which is counted, or else the milliseconds until it may. */
  take(): number {
    const now = this.#clock.now()
    const grown = Math.floor((now - this.#filledAt) / this.#interval)
    this.#left = Math.min(this.#most, this.#left + grown)
    this.#filledAt += grown * this.#interval
    if (this.#left === 0) return this.#filledAt + this.#interval - now
    this.#left--
    return 0
  }
}
