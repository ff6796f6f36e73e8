import { DEFICIT_COUNT } from './table.js'

/**
 * How far the backends of each weight are behind their share, as all threads of a pool count it together. The unit is
 * the policy's: requests times a total weight.
 */
export class SharedDeficits {
  readonly #words: Int32Array
  readonly #begin: number

  /**
   * @param words the deficits in the table
   * @param purpose the policy for upgrades has deficits of its own
   */
  constructor(words: Int32Array, purpose: 'requests' | 'upgrades') {
    this.#words = words
    this.#begin = purpose === 'requests' ? 0 : DEFICIT_COUNT
  }

  /** Returns the deficit of the backends of a weight; negative where they are ahead of their share. */
  of(weight: number): number {
    return this.#words[this.#begin + weight] as number
  }

  /** Changes the deficit of a weight by a whole number, and keeps it from `least` to `most`. */
  add(weight: number, change: number, least: number, most: number): void {
    const at = this.#begin + weight
    for (;;) {
      const before = Atomics.load(this.#words, at)
      const after = Math.max(least, Math.min(most, before + change))
      if (Atomics.compareExchange(this.#words, at, before, after) === before) return
    }
  }

  /** Sets the deficit of a weight that has none yet. */
  begin(weight: number, deficit: number): void {
    Atomics.compareExchange(this.#words, this.#begin + weight, 0, deficit)
  }
}
