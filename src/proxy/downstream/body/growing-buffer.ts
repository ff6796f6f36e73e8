/** Size in bytes of the memory that is taken at first. */
const FIRST_BYTES = 4096

/**
 * Bytes that come in chunks, in one piece of memory. A list of the chunks could take a hundred times as much, as each
 * may have only one byte.
 */
export class GrowingBuffer {
  readonly #expected: number
  #memory = Buffer.alloc(0)
  #length = 0

  /** @param expected largest number of bytes for which more memory is taken than is needed at the moment */
  constructor(expected: number) {
    this.#expected = expected
  }

  get length(): number {
    return this.#length
  }

  append(chunk: Buffer): void {
    const needed = this.#length + chunk.length
    if (needed > this.#memory.length) {
      const ample = Math.min(Math.max(2 * this.#memory.length, FIRST_BYTES), this.#expected)
      // Memory of the pool that Node shares between small buffers could be held for as long as the slowest client takes.
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, ample))
      this.#memory.copy(larger, 0, 0, this.#length)
      this.#memory = larger
    }
    chunk.copy(this.#memory, this.#length)
    this.#length = needed
  }

  /** Returns all bytes. Nothing is appended afterwards. */
  take(): Buffer {
    return this.#memory.subarray(0, this.#length)
  }
}
