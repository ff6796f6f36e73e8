import type { Clock } from '../time/clock.js'

/** Number of slices of a window; the window moves on by one slice at a time. */
export const SLICE_COUNT = 10

/** Counts how often an event happened within a sliding window of time. */
export class SlidingCount {
  readonly #clock: Clock
  /** Length of one slice in milliseconds. */
  readonly #sliceMs: number
  readonly #startedAt: number
  /** The count of each slice, at the index of the slice's number modulo SLICE_COUNT. */
  readonly #counts = new Array<number>(SLICE_COUNT).fill(0)
  /** The number of the newest slice, counted from the clock's origin. */
  #newestSlice = 0

  /** @param windowMs length of the window in milliseconds */
  constructor(windowMs: number, clock: Clock) {
    this.#clock = clock
    this.#sliceMs = windowMs / SLICE_COUNT
    this.#startedAt = clock.now()
  }

  add(): void {
    const slice = this.#currentSlice() % SLICE_COUNT
    this.#counts[slice] = (this.#counts[slice] as number) + 1
  }

  get sum(): number {
    this.#currentSlice()
    return this.#counts.reduce((total, count) => total + count, 0)
  }

  /** The number of events per second. */
  get rate(): number {
    const sum = this.sum
    const now = this.#clock.now()
    // The newest slice is not over yet, and a counter that is younger than the window has seen only a part of it.
    const seen = Math.min(now - this.#startedAt, (SLICE_COUNT - 1) * this.#sliceMs + (now % this.#sliceMs))
    return seen > 0 ? (1000 * sum) / seen : 0
  }

  /** Returns the number of the present slice, after emptying the slices that began since the last call. */
  #currentSlice(): number {
    const now = Math.floor(this.#clock.now() / this.#sliceMs)
    const passed = Math.min(now - this.#newestSlice, SLICE_COUNT)
    for (let i = 0; i < passed; i++) this.#counts[(now - i) % SLICE_COUNT] = 0
    this.#newestSlice = now
    return now
  }
}
