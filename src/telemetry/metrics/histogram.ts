/** Upper bounds of the buckets in seconds; a last bucket takes all longer durations. */
export const BOUNDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60,
]

/** A histogram of durations in seconds, with the buckets of {@link BOUNDS}. */
export class Histogram {
  readonly #counts = new Float64Array(BOUNDS.length + 1)
  /** Sum of all durations in seconds. */
  sum = 0

  add(seconds: number): void {
    let bucket = 0
    // The search starts at the shortest bucket, because most durations are short.
    while (bucket < BOUNDS.length && seconds > (BOUNDS[bucket] as number)) bucket++
    ;(this.#counts[bucket] as number)++
    this.sum += seconds
  }

  /** Whether nothing was added yet. */
  get isEmpty(): boolean {
    return this.#counts.every((count) => count === 0)
  }

  /** How many durations are within each bound; the last number is the count of all durations. */
  cumulative(): number[] {
    let count = 0
    return Array.from(this.#counts, (own) => {
      count += own
      return count
    })
  }
}
