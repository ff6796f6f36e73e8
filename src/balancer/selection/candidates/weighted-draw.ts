import type { Backend } from '../../backends/backend.js'

/**
 * Draws backends at random, with probabilities in proportion to their weights: in one step where all weights are equal,
 * and by a binary search otherwise.
 */
export class WeightedDraw {
  readonly totalWeight: number
  /** At each index, the sum of the weights of the backends up to and including this one. */
  readonly #sums: Float64Array
  /** The weight of each backend if all weights are equal; undefined otherwise. */
  readonly #equalWeight: number | undefined
  readonly #random: () => number

  constructor(backends: readonly Backend[], random: () => number) {
    this.#random = random
    this.#sums = new Float64Array(backends.length)
    const first = backends[0]?.weight
    let sum = 0
    let i = 0
    let areEqual = true
    for (const { weight } of backends) {
      sum += weight
      this.#sums[i++] = sum
      if (weight !== first) areEqual = false
    }
    this.totalWeight = sum
    this.#equalWeight = areEqual ? first : undefined
  }

  /** Draws a backend and returns its index. The list must not be empty. */
  draw(): number {
    return this.#indexAt(this.#random() * this.totalWeight)
  }

  /** Draws the index of a second backend by weight, as if the backend at `first` were not in the list. */
  drawOther(first: number): number {
    const before = first === 0 ? 0 : (this.#sums[first - 1] as number)
    const weight = (this.#sums[first] as number) - before
    const point = this.#random() * (this.totalWeight - weight)
    return this.#indexAt(point < before ? point : point + weight)
  }

  /** Returns the index of the first sum that is more than `point`. */
  #indexAt(point: number): number {
    if (this.#equalWeight !== undefined)
      return Math.min(this.#sums.length - 1, Math.floor(point / this.#equalWeight))
    let low = 0
    let high = this.#sums.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#sums[middle] as number) > point) high = middle
      else low = middle + 1
    }
    return low
  }
}
