/** Largest number of UTF-16 code units of a name that are kept. */
const MAX_LENGTH = 128

/** States of a place. A thread that ends while it writes leaves the place unused. */
const FREE = 0
const BEING_WRITTEN = 1
const READY = 2

/**
 * Names to which threads give numbers that are the same for all of them. A name is never removed. Two threads that add
 * the same name at the same time may give it two numbers.
 */
export class SharedNames {
  readonly #count: number
  /** For each place its state and the length of its name. */
  readonly #places: Int32Array
  readonly #text: Uint16Array

  /** @param count largest number of names */
  constructor(buffer: SharedArrayBuffer, count: number) {
    this.#count = count
    this.#places = new Int32Array(buffer, 0, 2 * count)
    this.#text = new Uint16Array(buffer, 2 * count * Int32Array.BYTES_PER_ELEMENT)
  }

  /** @param count largest number of names */
  static allocate(count: number): SharedArrayBuffer {
    const placesSize = 2 * count * Int32Array.BYTES_PER_ELEMENT
    return new SharedArrayBuffer(placesSize + count * MAX_LENGTH * Uint16Array.BYTES_PER_ELEMENT)
  }

  /** Returns the number of a name, from 0 on, and adds the name if it is new; undefined if there is no room. */
  add(name: string): number | undefined {
    const kept = name.slice(0, MAX_LENGTH)
    for (let number = 0; number < this.#count; number++) {
      const known = this.at(number)
      if (known === kept) return number
      if (known === undefined && this.#claim(number, kept)) return number
    }
    return undefined
  }

  /** Returns the name with this number; undefined if there is none. */
  at(number: number): string | undefined {
    if (Atomics.load(this.#places, 2 * number) !== READY) return undefined
    const begin = number * MAX_LENGTH
    const length = this.#places[2 * number + 1] as number
    return String.fromCharCode(...this.#text.subarray(begin, begin + length))
  }

  /** Takes a place for a name. @returns false if another thread has taken it */
  #claim(number: number, name: string): boolean {
    if (Atomics.compareExchange(this.#places, 2 * number, FREE, BEING_WRITTEN) !== FREE) return false
    for (let i = 0; i < name.length; i++) this.#text[number * MAX_LENGTH + i] = name.charCodeAt(i)
    this.#places[2 * number + 1] = name.length
    Atomics.store(this.#places, 2 * number, READY)
    return true
  }
}
