import type { Backend } from '../backends/backend.js'

/**
 * Draws backends at random, each as often as its weight says: in one step where all weigh the same, otherwise in as
 * many as a binary search takes.
 */
export class WeightedDraw {
  readonly totalWeight: number
  /** The weights of all up to and with the one at an index. */
  readonly #sums: Float64Array
  /** The weight of each, where it is the same. */
  readonly #each: number | undefined
  readonly #random: () => number

  constructor(backends: readonly Backend[], random: () => number) {
    this.#random = random
    this.#sums = new Float64Array(backends.length)
    const first = backends[0]?.weight
    let sum = 0
    let i = 0
    let even = true
    for (const { weight } of backends) {
      sum += weight
      this.#sums[i++] = sum
      if (weight !== first) even = false
    }
    this.totalWeight = sum
    this.#each = even ? first : undefined
  }

  /** The index of one; there must be one. */
  draw(): number {
    return this.#at(this.#random() * this.totalWeight)
  }

  /** The index of another one, as if the first had not been there to draw. */
  drawOther(first: number): number {
    const before = first === 0 ? 0 : (this.#sums[first - 1] as number)
    const weight = (this.#sums[first] as number) - before
    const point = this.#random() * (this.totalWeight - weight)
    return this.#at(point < before ? point : point + weight)
  }

  /** The index of the first sum that is more than `point`. */
  #at(point: number): number {
    if (this.#each !== undefined) return Math.min(this.#sums.length - 1, Math.floor(point / this.#each))
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
