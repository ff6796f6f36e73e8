/**
 * The latest numbers of a series, and their percentiles. Adding a number is a single write; reading percentiles partly
 * sorts the numbers.
 */
export class Samples {
  #samples = new Float64Array(16)
  #count = 0
  readonly #window: number

  /** @param window the number of samples that are kept */
  constructor(window: number) {
    this.#window = window
  }

  /** Number of samples that were added so far. */
  get count(): number {
    return this.#count
  }

  add(sample: number): void {
    // Most series are short, so the array grows with use.
    if (this.#count === this.#samples.length && this.#count < this.#window) {
      const larger = new Float64Array(Math.min(this.#window, this.#count * 4))
      larger.set(this.#samples)
      this.#samples = larger
    }
    this.#samples[this.#count++ % this.#samples.length] = sample
  }

  /**
   * Returns nearest-rank percentiles; 0 where there is no sample.
   * @param ranks from 0 to 1, ascending
   */
  percentiles(...ranks: number[]): number[] {
    return percentilesOf(this.#samples.slice(0, Math.min(this.#count, this.#samples.length)), ranks)
  }
}

/**
 * Returns nearest-rank percentiles; 0 where there is no value. The order of the values changes.
 * @param ranks from 0 to 1, ascending
 */
export function percentilesOf(values: Float64Array | Float32Array, ranks: readonly number[]): number[] {
  let from = 0
  return ranks.map((rank) => {
    const k = Math.max(from, Math.ceil(values.length * rank) - 1)
    const value = quickselect(values, k, from)
    from = k
    return value
  })
}

/**
 * Returns the value that would be at index `k` if all values from index `from` on were sorted, by Hoare's quickselect
 * (https://en.wikipedia.org/wiki/Quickselect), which takes a quarter of the time of a sort. Afterwards no value before
 * `k` is larger, and none after `k` smaller.
 */
function quickselect(values: Float64Array | Float32Array, k: number, from: number): number {
  let left = from
  let right = values.length - 1
  while (left < right) {
    const pivot = values[(left + right) >> 1] as number
    let i = left
    let j = right
    while (i <= j) {
      while ((values[i] as number) < pivot) i++
      while ((values[j] as number) > pivot) j--
      if (i > j) break
      const value = values[i] as number
      values[i++] = values[j] as number
      values[j--] = value
    }
    if (k <= j) right = j
    else if (k >= i) left = i
    else break
  }
  return values[k] ?? 0
}
