import { addLine, emptyHeaders, type Headers } from '../../../http/fields.js'
import { fieldName, LOWER } from './field-names.js'
import { bareLineEnd, MalformedResponseError } from './malformed-response-error.js'
import { COLON, CR, DEL, HTAB, LF, SP } from './octets.js'

/**
 * Largest number of field lines in a head, and in trailers. A field takes memory of its own, however short its line is.
 * A head of 64 KB has at most 16,000 lines, so this limit matters only where larger heads are allowed.
 */
export const MAX_FIELDS = 25_000

/** Number of lines that are found before their fields are made. */
const LINES = 64
/** Numbers that are noted of each line: where its name and its value begin and end. */
const NUMBERS = 4

/** 1 for each byte that a field's value may have (RFC 9110 section 5.5). */
const IN_VALUE = new Uint8Array(256)
for (let byte = 0; byte < 256; byte++) {
  IN_VALUE[byte] = byte === HTAB || (byte >= SP && byte !== DEL) ? 1 : 0
}

/** The lines that were found, and have not become fields yet. */
const found = new Int32Array(LINES * NUMBERS)

/** The fields while none are read. */
const NONE: Headers = Object.freeze(emptyHeaders())

/** Reads field lines up to the empty line behind them (RFC 9112 section 5). */
export class FieldLines {
  headers: Headers = NONE
  isComplete = false
  #count = 0

  begin(): void {
    this.headers = emptyHeaders()
    this.isComplete = false
    this.#count = 0
  }

  /** Forgets the fields, which may be a large object. */
  forget(): void {
    this.headers = NONE
  }

  /**
   * Reads those lines of which all has come.
   * @returns where the first line begins that is not complete, or where reading has ended
   * @throws {MalformedResponseError}
   */
  read(bytes: Buffer, from: number, to: number): number {
    let at = from
    while (!this.isComplete) {
      const start = at
      at = this.#find(bytes, at, to)
      if (at === start) break
    }
    return at
  }

  /** Finds some lines and makes their fields. Returns where the next line begins. */
  #find(bytes: Buffer, from: number, to: number): number {
    let lines = 0
    let start = from
    while (lines < LINES) {
      let at = start
      while (at < to && LOWER[bytes[at] as number] !== 0) at++
      const nameEnd = at
      if (at >= to) break
      if (nameEnd === start || bytes[at] !== COLON) {
        if (isIncomplete(bytes, at, to)) break
        if (nameEnd !== start || bytes[at] !== CR || bytes[at + 1] !== LF)
          throw faultInName(bytes, start, at, this.#count === 0)
        this.isComplete = true
        start = at + 2
        break
      }
      at++
      while (at < to && (bytes[at] === SP || bytes[at] === HTAB)) at++
      const valueStart = at
      while (at < to && IN_VALUE[bytes[at] as number] === 1) at++
      if (at >= to) break
      if (bytes[at] !== CR || at + 1 === to || bytes[at + 1] !== LF) {
        if (isIncomplete(bytes, at, to)) break
        throw faultInValue(bytes, at)
      }
      let valueEnd = at
      while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd--
      const note = lines * NUMBERS
      found[note] = start
      found[note + 1] = nameEnd
      found[note + 2] = valueStart
      found[note + 3] = valueEnd
      lines++
      if (++this.#count > MAX_FIELDS) throw tooManyFields()
      start = at + 2
    }
    if (lines > 0) this.#add(bytes, lines)
    return start
  }

  /** Makes the fields of the lines that were found. */
  #add(bytes: Buffer, lines: number): void {
    const { headers } = this
    const first = found[0] as number
    // One string from which all values are cut is cheaper than a string made from bytes for each.
    const text = bytes.toString('latin1', first, found[(lines - 1) * NUMBERS + 3])
    for (let note = 0; note < lines * NUMBERS; note += NUMBERS) {
      const name = fieldName(bytes, found[note] as number, found[note + 1] as number)
      addLine(
        headers,
        name,
        text.slice((found[note + 2] as number) - first, (found[note + 3] as number) - first),
      )
    }
  }
}

/**
 * Returns true if the line at a position has not ended. A line is judged only when all of it has come, so that the
 * verdict does not depend on how the bytes were cut.
 */
function isIncomplete(bytes: Buffer, at: number, to: number): boolean {
  const end = bytes.indexOf(LF, at)
  return end === -1 || end >= to
}

function tooManyFields(): MalformedResponseError {
  return new MalformedResponseError('HPE_TOO_MANY_FIELDS', `it has more than ${MAX_FIELDS} fields`)
}

/**
 * Returns the fault of a line.
 * @param at position of the first byte that does not belong to the name
 * @param isFirst true if no field was read before the line
 */
function faultInName(bytes: Buffer, start: number, at: number, isFirst: boolean): MalformedResponseError {
  const byte = bytes[at]
  if (at === start && byte === LF) return bareLineEnd(true, 'the last line')
  if (at === start && byte === CR) return bareLineEnd(false, 'the last line')
  if (isFirst && at === start && (byte === SP || byte === HTAB)) {
    return new MalformedResponseError('HPE_UNEXPECTED_SPACE', 'Unexpected space before the first field')
  }
  // A folded line must not be passed on (RFC 9112 section 5.2).
  if (at === start && (byte === SP || byte === HTAB)) {
    return new MalformedResponseError('HPE_INVALID_HEADER_TOKEN', 'Unexpected whitespace after header value')
  }
  return new MalformedResponseError('HPE_INVALID_HEADER_TOKEN', 'Invalid header token')
}

/** Returns the fault of a line. @param at position of the first byte that must not be in the value */
function faultInValue(bytes: Buffer, at: number): MalformedResponseError {
  if (bytes[at] === LF) return bareLineEnd(true, 'a field')
  if (bytes[at] === CR) return bareLineEnd(false, 'a field')
  return new MalformedResponseError('HPE_INVALID_HEADER_TOKEN', 'Invalid header value char')
}
