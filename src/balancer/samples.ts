/** The latest numbers of a series, and their percentiles. Adding one is one write; whoever asks does the sorting. */
export class Samples {
  #samples = new Float64Array(16)
  #count = 0
  readonly #window: number

  /** @param window how many are kept */
  constructor(window: number) {
    this.#window = window
  }

  /** How many were added so far. */
  get count(): number {
    return this.#count
  }

  add(sample: number): void {
    // Most series are short: the window grows with use.
    if (this.#count === this.#samples.length && this.#count < this.#window) {
      const larger = new Float64Array(Math.min(this.#window, this.#count * 4))
      larger.set(this.#samples)
      this.#samples = larger
    }
    this.#samples[this.#count++ % this.#samples.length] = sample
  }

  /** Nearest-rank percentiles; 0 where there is no sample. @param ranks from 0 to 1 */
  percentiles(...ranks: number[]): number[] {
    const sorted = this.#samples.slice(0, Math.min(this.#count, this.#samples.length)).sort()
    return ranks.map((rank) => sorted[Math.max(0, Math.ceil(sorted.length * rank) - 1)] ?? 0)
  }
}
