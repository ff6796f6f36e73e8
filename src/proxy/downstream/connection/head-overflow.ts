import { METHODS } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError } from 'fastify'

/** Which part of a request's head is too large. */
export type LargePart = 'line' | 'fields'

/** Time that a client has to end a line that is too large. */
const END_OF_LINE_TIMEOUT_MS = 2000
/** How much of a line that is too large is looked at. */
const MAX_LINE_BYTES = 1024 * 1024
/** As much of a line as shows whether it begins with a method. */
const BEGINNING_BYTES = 64
/** As much of a line as shows whether it ends with a version. */
const ENDING_BYTES = 12

const LF = 0x0a

/** Matches the beginning of a request line. In a field line, a name is followed by a colon. */
const REQUEST_LINE = /^[^\s:]+ /
/** Matches what is the beginning of a request line and hardly ever stands in the middle of a field. */
const CERTAIN_REQUEST_LINE = new RegExp(`^(?:${METHODS.join('|')}) (?:[/*]|https?:)`)
/** Matches the end of a request line. */
const VERSION = /[ \t]HTTP\/1\.\d\r?$/

/** For each connection on which the end of a line is awaited. */
const openLines = new WeakMap<Socket, OpenLine>()

/**
 * Finds out which part of a head is too large for Node's parser, once the parser has said that one is. The parser says
 * so in the middle of a line, and gives only the bytes that came last. Where they have neither the beginning nor the end
 * of that line, the end is awaited: the parser repeats its error with each further piece, and this function has to be
 * called each time.
 * @param conclude called once: now, or when the line has ended, or when it does not end
 */
export function findLargePart(
  { rawPacket, bytesParsed }: ConnectionError,
  socket: Socket,
  conclude: (part: LargePart) => void,
): void {
  const open = openLines.get(socket)
  const bytes = rawPacket as unknown as Buffer | undefined
  if (!bytes) {
    conclude('fields')
  } else if (open) {
    open.read(bytes)
  } else {
    const before = Math.max(bytesParsed - 1, 0)
    const start = bytes.lastIndexOf(LF, before) + 1
    const beginning = bytes.toString('latin1', start, start + BEGINNING_BYTES)
    if (start > 0) conclude(REQUEST_LINE.test(beginning) ? 'line' : 'fields')
    else if (CERTAIN_REQUEST_LINE.test(beginning)) conclude('line')
    else new OpenLine(socket, conclude).read(bytes.subarray(before))
  }
}

/** A line that is too large, as long as its end has not come. */
class OpenLine {
  readonly #socket: Socket
  readonly #conclude: (part: LargePart) => void
  readonly #timer = setTimeout(() => this.conclude('fields'), END_OF_LINE_TIMEOUT_MS)
  /** The last bytes that have come, as latin1. */
  #ending = ''
  #bytes = 0

  constructor(socket: Socket, conclude: (part: LargePart) => void) {
    this.#socket = socket
    this.#conclude = conclude
    openLines.set(socket, this)
    socket.once('close', this.#forget)
    // Node's own listener would close the connection without a response.
    socket.prependOnceListener('end', this.#onEnd)
  }

  read(bytes: Buffer): void {
    const end = bytes.indexOf(LF)
    const last = end === -1 ? bytes.length : end
    this.#ending = (this.#ending + bytes.toString('latin1', Math.max(last - ENDING_BYTES, 0), last)).slice(
      -ENDING_BYTES,
    )
    this.#bytes += last
    if (end !== -1 || this.#bytes > MAX_LINE_BYTES)
      this.conclude(VERSION.test(this.#ending) ? 'line' : 'fields')
  }

  conclude(part: LargePart): void {
    this.#forget()
    this.#socket.off('close', this.#forget).off('end', this.#onEnd)
    this.#conclude(part)
  }

  readonly #onEnd = (): void => this.conclude('fields')

  readonly #forget = (): void => {
    clearTimeout(this.#timer)
    openLines.delete(this.#socket)
  }
}
