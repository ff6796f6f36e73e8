import type { Clock } from '../time/clock.js'

const SLICES = 10

/** How often something happened lately: within a window that moves on a tenth at a time. */
export class SlidingCount {
  readonly #clock: Clock
  readonly #slice: number
  readonly #startedAt: number
  readonly #counts = new Array<number>(SLICES).fill(0)
  /** Number of the newest slice since the clock's origin. */
  #newest = 0

  /** @param window milliseconds */
  constructor(window: number, clock: Clock) {
    this.#clock = clock
    this.#slice = window / SLICES
    this.#startedAt = clock.now()
  }

  add(): void {
    const slice = this.#now() % SLICES
    this.#counts[slice] = (this.#counts[slice] as number) + 1
  }

  get sum(): number {
    this.#now()
    return this.#counts.reduce((total, count) => total + count, 0)
  }

  /** Times a second. */
  get rate(): number {
    const sum = this.sum
    const now = this.#clock.now()
    // The newest slice is not over, and a young count has not seen a whole window.
    const seen = Math.min(now - this.#startedAt, (SLICES - 1) * this.#slice + (now % this.#slice))
    return seen > 0 ? (1000 * sum) / seen : 0
  }

  /** The number of the present slice; those that were passed since the last look are emptied. */
  #now(): number {
    const now = Math.floor(this.#clock.now() / this.#slice)
    const passed = Math.min(now - this.#newest, SLICES)
    for (let i = 0; i < passed; i++) this.#counts[(now - i) % SLICES] = 0
    this.#newest = now
    return now
  }
}
