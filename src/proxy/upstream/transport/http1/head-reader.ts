import type { Headers } from '../../../http/fields.js'
import { FieldLines } from './field-lines.js'
import { MalformedResponseError } from './malformed-response-error.js'
import { LF } from './octets.js'
import { PartialLine } from './partial-line.js'
import { PROTOCOL_BYTES, StatusLine } from './status-line.js'

/** Reads the head of a response, or its trailers, from pieces that may be cut anywhere. */
export class HeadReader {
  readonly statusLine = new StatusLine()
  readonly #fields = new FieldLines()
  readonly #partial = new PartialLine()
  readonly #maxBytes: number
  /** Number of bytes that were read of this head. */
  #length = 0

  /** @param maxBytes largest size of a head, and of trailers, in bytes, with the empty line at the end */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get headers(): Headers {
    return this.#fields.headers
  }

  get isComplete(): boolean {
    return this.#fields.isComplete
  }

  beginHead(): void {
    this.beginTrailers()
    this.statusLine.begin()
  }

  beginTrailers(): void {
    this.#length = 0
    this.#fields.begin()
  }

  /** Forgets the fields and the beginning of a line. */
  forget(): void {
    this.#fields.forget()
    if (this.#partial.length > 0) this.#partial.clear()
  }

  /**
   * Reads bytes until the head is complete.
   * @returns where reading has ended
   * @throws {MalformedResponseError}
   */
  read(bytes: Buffer, from: number): number {
    let at = from
    while (at < bytes.length && !this.isComplete) {
      if (this.#length === this.#maxBytes) {
        throw new MalformedResponseError('HPE_HEADER_OVERFLOW', 'Header overflow')
      }
      const to = Math.min(bytes.length, at + this.#maxBytes - this.#length)
      const next =
        this.#partial.length > 0 ? this.#continueLine(bytes, at, to) : this.#readLines(bytes, at, to)
      this.#length += next - at
      at = next
    }
    return at
  }

  /** Reads the lines that are complete, and keeps the beginning of the next one. */
  #readLines(bytes: Buffer, from: number, to: number): number {
    const end = this.#parse(bytes, from, to)
    if (this.isComplete || end === to) return end
    this.#partial.append(bytes, end, to)
    return to
  }

  /** Reads the rest of a line of which the beginning has come before. */
  #continueLine(bytes: Buffer, from: number, to: number): number {
    const partial = this.#partial
    const lineEnd = bytes.indexOf(LF, from)
    const isWhole = lineEnd !== -1 && lineEnd < to
    const next = isWhole ? lineEnd + 1 : to
    // A status line is looked at before it has ended, because it may be no HTTP at all.
    const isFirst = !this.statusLine.isComplete && partial.length < PROTOCOL_BYTES
    partial.append(bytes, from, next)
    if (isWhole || isFirst) this.#parse(partial.bytes, 0, partial.length)
    if (isWhole) partial.clear()
    return next
  }

  /** Reads the lines that are complete. Returns where the first line begins that is not. */
  #parse(bytes: Buffer, from: number, to: number): number {
    let at = from
    if (!this.statusLine.isComplete) at = this.statusLine.read(bytes, at, to)
    return this.statusLine.isComplete ? this.#fields.read(bytes, at, to) : at
  }
}
