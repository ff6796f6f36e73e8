/** The largest of the values that were seen in a sliding window of time, at the grain of a part of the window. */
export class RecentPeak {
  readonly #sliceMs: number
  readonly #slices: number[]
  /** Number of the latest slice since time 0. */
  #latest = 0

  /** @param slices number of parts of the window, of which the oldest is forgotten as a whole */
  constructor(windowMs: number, slices: number) {
    this.#sliceMs = windowMs / slices
    this.#slices = new Array(slices).fill(0)
  }

  /** @param now monotonic milliseconds */
  add(value: number, now: number): void {
    this.#turnTo(now)
    const at = this.#latest % this.#slices.length
    if (value > (this.#slices[at] as number)) this.#slices[at] = value
  }

  /** @param now monotonic milliseconds */
  max(now: number): number {
    this.#turnTo(now)
    return Math.max(...this.#slices)
  }

  #turnTo(now: number): void {
    const slice = Math.floor(now / this.#sliceMs)
    const { length } = this.#slices
    for (let next = Math.max(this.#latest + 1, slice - length + 1); next <= slice; next++) {
      this.#slices[next % length] = 0
    }
    if (slice > this.#latest) this.#latest = slice
  }
}
