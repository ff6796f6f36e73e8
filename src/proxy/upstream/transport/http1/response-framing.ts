import type { Headers } from '../../../http/fields.js'
import { MalformedResponseError } from './malformed-response-error.js'

/** How the end of a body is found. */
export type Framing = 'none' | 'length' | 'chunked' | 'connection'

/** Number of digits up to which every Content-Length is exact as a number. */
const MAX_DIGITS = 15

/**
 * Returns the number of bytes that a Content-Length says; undefined if there is none.
 * @throws {MalformedResponseError} if it is no number, or there are two of them, or a Transfer-Encoding beside it: such
 *   a response may be one response for one reader and two for another (RFC 9112 section 6.3)
 */
export function contentLength(headers: Headers): number | undefined {
  const value = headers['content-length']
  if (value === undefined) return undefined
  if (typeof value !== 'string') {
    throw new MalformedResponseError('HPE_UNEXPECTED_CONTENT_LENGTH', 'Duplicate Content-Length')
  }
  if (headers['transfer-encoding'] !== undefined) {
    throw new MalformedResponseError(
      'HPE_UNEXPECTED_CONTENT_LENGTH',
      "Content-Length can't be present with Transfer-Encoding",
    )
  }
  return lengthOf(value)
}

function lengthOf(value: string): number {
  let length = 0
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 48
    if (!(digit >= 0 && digit <= 9)) throw invalidLength('Invalid character in Content-Length')
    length = 10 * length + digit
  }
  if (value.length === 0) throw invalidLength('Empty Content-Length')
  if (value.length > MAX_DIGITS && length > Number.MAX_SAFE_INTEGER)
    throw invalidLength('Content-Length overflow')
  return length
}

function invalidLength(reason: string): MalformedResponseError {
  return new MalformedResponseError('HPE_INVALID_CONTENT_LENGTH', reason)
}

/**
 * Returns how the end of a response's body is found (RFC 9112 section 6.3).
 * @param length the response's Content-Length
 */
export function framingOf(
  method: string,
  statusCode: number,
  headers: Headers,
  length: number | undefined,
): Framing {
  if (method === 'HEAD' || statusCode === 204 || statusCode === 304 || statusCode < 200) return 'none'
  const coding = headers['transfer-encoding']
  if (coding !== undefined) {
    return typeof coding === 'string' && coding.toLowerCase() === 'chunked' ? 'chunked' : 'connection'
  }
  if (length === undefined) return 'connection'
  return length === 0 ? 'none' : 'length'
}
