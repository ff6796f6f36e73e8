/** Smallest size of the memory for a line, in bytes. */
const FIRST_BYTES = 256

/** The bytes of a line of which the end has not come yet. */
export class PartialLine {
  #bytes: Buffer | undefined
  #length = 0

  get length(): number {
    return this.#length
  }

  /** The memory of the line, of which the first `length` bytes are in use. */
  get bytes(): Buffer {
    return this.#bytes as Buffer
  }

  append(bytes: Buffer, from: number, to: number): void {
    const length = this.#length + to - from
    const memory = this.#bytes
    if (memory === undefined || memory.length < length) {
      // The memory doubles, so that a line that comes byte by byte is copied only a few times.
      const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, 2 * length))
      memory?.copy(larger, 0, 0, this.#length)
      this.#bytes = larger
    }
    bytes.copy(this.bytes, this.#length, from, to)
    this.#length = length
  }

  /** Forgets the line, together with its memory. */
  clear(): void {
    this.#bytes = undefined
    this.#length = 0
  }
}
