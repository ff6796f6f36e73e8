/** Upper bounds of the buckets in seconds; a last bucket takes all longer durations. */
export const BOUNDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60,
]

/** Number of numbers of a histogram: a count for each bucket, and the sum. */
export const HISTOGRAM_WIDTH = BOUNDS.length + 2
const SUM = BOUNDS.length + 1

/** A histogram of durations in seconds, with the buckets of {@link BOUNDS}. */
export class Histogram {
  readonly #numbers: Float64Array

  /** @param numbers {@link HISTOGRAM_WIDTH} numbers to count in, or to read */
  constructor(numbers: Float64Array = new Float64Array(HISTOGRAM_WIDTH)) {
    this.#numbers = numbers
  }

  /** Sum of all durations in seconds. */
  get sum(): number {
    return this.#numbers[SUM] as number
  }

  add(seconds: number): void {
    let bucket = 0
    // The search starts at the shortest bucket, because most durations are short.
    while (bucket < BOUNDS.length && seconds > (BOUNDS[bucket] as number)) bucket++
    const numbers = this.#numbers
    numbers[bucket] = (numbers[bucket] as number) + 1
    numbers[SUM] = (numbers[SUM] as number) + seconds
  }

  /** Whether nothing was added yet. */
  get isEmpty(): boolean {
    return this.#counts().every((count) => count === 0)
  }

  /** How many durations are within each bound; the last number is the count of all durations. */
  cumulative(): number[] {
    let count = 0
    return Array.from(this.#counts(), (own) => {
      count += own
      return count
    })
  }

  /**
   * Estimates a quantile in seconds, as if the durations of a bucket were evenly spread in it; of durations above the
   * largest bound it says that bound. Undefined without a duration.
   * @param part from 0 to 1, as 0.99
   */
  quantile(part: number): number | undefined {
    const cumulative = this.cumulative()
    const count = cumulative.at(-1) as number
    if (count === 0) return undefined
    const rank = part * count
    const bucket = cumulative.findIndex((within) => within >= rank)
    const upper = BOUNDS[bucket] ?? (BOUNDS.at(-1) as number)
    const lower = bucket === 0 ? 0 : Math.min(upper, BOUNDS[bucket - 1] as number)
    const below = bucket === 0 ? 0 : (cumulative[bucket - 1] as number)
    const within = (cumulative[bucket] as number) - below
    return within === 0 ? lower : lower + ((upper - lower) * (rank - below)) / within
  }

  #counts(): Float64Array {
    return this.#numbers.subarray(0, SUM)
  }
}
