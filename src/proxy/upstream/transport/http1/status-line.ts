import { bareLineEnd, MalformedResponseError } from './malformed-response-error.js'
import { CR, DOT, LF, NINE, SP, ZERO } from './octets.js'

/** Each response begins with these bytes. */
const PROTOCOL = Buffer.from('HTTP/')
export const PROTOCOL_BYTES = PROTOCOL.length

/** Number of bytes between the beginning of a status line and the end of its status code: `HTTP/1.1 200`. */
const CODE_END = 12

/** Reads the status line of a response (RFC 9112 section 4). */
export class StatusLine {
  /** Second digit of the version: 0 or 1. */
  minorVersion = 1
  statusCode = 0
  statusMessage = ''
  isComplete = false

  begin(): void {
    this.isComplete = false
  }

  /**
   * Reads a status line once all of it has come. Empty lines before it are skipped, as some servers end a body with one.
   * @returns where reading has to go on
   * @throws {MalformedResponseError}
   */
  read(bytes: Buffer, from: number, to: number): number {
    let start = from
    while (to - start >= 2 && bytes[start] === CR && bytes[start + 1] === LF) start += 2
    const end = bytes.indexOf(LF, start)
    const isWhole = end !== -1 && end < to
    // Protocols other than HTTP may have no lines at all, so these bytes are looked at before the line has ended.
    if (isWhole || to - start >= PROTOCOL_BYTES) checkProtocol(bytes, start, to)
    if (!isWhole) return start
    this.#readLine(bytes, start, end)
    this.isComplete = true
    return end + 1
  }

  /** Reads a status line that is complete. @param end position of its LF */
  #readLine(bytes: Buffer, start: number, end: number): void {
    this.minorVersion = minorVersion(bytes, start)
    this.statusCode = statusCode(bytes, start)
    const codeEnd = start + CODE_END
    if (bytes[end - 1] !== CR) throw bareLineEnd(true, 'the status line')
    const firstCr = bytes.indexOf(CR, codeEnd)
    if (firstCr !== end - 1) throw bareLineEnd(false, 'the status line')
    // A reason phrase may be missing together with the space before it: many servers send no such space.
    if (firstCr !== codeEnd && bytes[codeEnd] !== SP) throw invalidStatus()
    this.statusMessage = firstCr <= codeEnd + 1 ? '' : bytes.toString('latin1', codeEnd + 1, firstCr)
  }
}

/** Checks that a response begins with `HTTP/`. */
function checkProtocol(bytes: Buffer, start: number, to: number): void {
  for (let i = 0; i < PROTOCOL_BYTES; i++) {
    if (bytes[start + i] === PROTOCOL[i]) continue
    throw new MalformedResponseError('HPE_INVALID_CONSTANT', 'Expected HTTP/', bytes.subarray(start, to))
  }
}

/** Returns the second digit of the version; the first one is 1. */
function minorVersion(bytes: Buffer, start: number): number {
  const at = start + PROTOCOL_BYTES
  const major = bytes[at] as number
  const minor = bytes[at + 2] as number
  if (bytes[at + 1] === DOT && bytes[at + 3] === SP) {
    if (major === ZERO + 1 && (minor === ZERO || minor === ZERO + 1)) return minor - ZERO
    if ((major === ZERO && minor === NINE) || (major === ZERO + 2 && minor === ZERO)) {
      const version = `${major - ZERO}.${minor - ZERO}`
      throw new MalformedResponseError('BAD_ANSWER', `version ${version} is not spoken`)
    }
  }
  throw new MalformedResponseError('HPE_INVALID_VERSION', 'Invalid HTTP version')
}

function statusCode(bytes: Buffer, start: number): number {
  let code = 0
  for (let at = start + CODE_END - 3; at < start + CODE_END; at++) {
    const digit = (bytes[at] as number) - ZERO
    if (!(digit >= 0 && digit <= 9)) throw invalidStatus()
    code = 10 * code + digit
  }
  // The first digit is the class of the status, and there is no class 0 (RFC 9110 section 15).
  if (code < 100) throw invalidStatus()
  return code
}

function invalidStatus(): MalformedResponseError {
  return new MalformedResponseError('HPE_INVALID_STATUS', 'Invalid status code')
}
