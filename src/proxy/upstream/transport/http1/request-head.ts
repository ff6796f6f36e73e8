import { isFieldValue, isToken } from '../../../http/fields.js'
import { BodyLengthError } from '../../failures/failures.js'
import type { UpstreamRequest } from '../transport.js'

/** How the body of a request is framed: by its length in bytes, in chunks, or not at all, as there is none. */
export type BodyFraming = number | 'chunked' | 'none'

/**
 * Methods whose requests have no body by default. A request of any other method says with `Content-Length: 0` that it
 * has none (RFC 9110 section 8.6), because some servers refuse it with 411 otherwise.
 */
const BODYLESS = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT'])

/** Matches a request target that can be written as it is: it has no space, no control character and only latin1. */
const TARGET = /^[\x21-\xff]+$/

const DIGITS = /^[0-9]+$/

/**
 * Returns the head of a request, including the empty line at its end. The head has to be written as latin1. Every field
 * is a line of its own, in the order of the request's fields; fields that apply to the connection only come last.
 * @param options.isLast true if the connection is closed after this request
 * @throws {Error} with the code ERR_INVALID_HTTP_TOKEN, ERR_UNESCAPED_CHARACTERS, ERR_INVALID_CHAR,
 *   ERR_HTTP_INVALID_HEADER_VALUE or ERR_HTTP_CONTENT_LENGTH_MISMATCH if a hook of the app has set what must not be
 *   sent
 */
export function requestHead(request: UpstreamRequest, { isLast }: { isLast: boolean }): string {
  const { method, path, fields, body } = request
  if (!isToken(method)) throw unsendable('ERR_INVALID_HTTP_TOKEN', `${JSON.stringify(method)} is no method`)
  if (!TARGET.test(path))
    throw unsendable('ERR_UNESCAPED_CHARACTERS', 'the path has characters that must be escaped')
  const length = contentLength(fields)
  const isChunked = body !== undefined && length === undefined
  if (body === undefined && length !== undefined && length > 0) throw new BodyLengthError(length)
  let head = `${method} ${path} HTTP/1.1\r\n`
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string
    const value = fields[i + 1] as string
    if (!isToken(name))
      throw unsendable('ERR_INVALID_HTTP_TOKEN', `${JSON.stringify(name)} is no name of a field`)
    if (!isFieldValue(value)) {
      throw unsendable('ERR_INVALID_CHAR', `the field "${name}" has a character that no field may have`)
    }
    // Only a body in chunks can have trailers to announce. Whether there are chunks is decided here alone.
    if (name.length === 7 ? !isChunked && isNamed(name, 'trailer') : isNamed(name, 'transfer-encoding'))
      continue
    head += `${name}: ${value}\r\n`
  }
  return head + framing(request, length) + connectionFields(request, isLast)
}

/**
 * Returns how the body of a request is framed, which its head says as well.
 * @throws {Error} with the code ERR_HTTP_INVALID_HEADER_VALUE if the Content-Length, which a hook has set, is none
 */
export function bodyFraming({ body, fields }: UpstreamRequest): BodyFraming {
  return body === undefined ? 'none' : (contentLength(fields) ?? 'chunked')
}

/** Returns the lines that say how the body is framed, except a Content-Length that is among the fields. */
function framing({ method, body, expectsContinue }: UpstreamRequest, length: number | undefined): string {
  if (body === undefined) return length !== undefined || BODYLESS.has(method) ? '' : 'content-length: 0\r\n'
  const coding = length === undefined ? 'transfer-encoding: chunked\r\n' : ''
  return expectsContinue ? `${coding}expect: 100-continue\r\n` : coding
}

/** Returns the lines that apply to the connection only, and the empty line. */
function connectionFields({ upgrade, takesTrailers }: UpstreamRequest, isLast: boolean): string {
  if (upgrade === undefined && !takesTrailers) {
    return isLast ? 'connection: close\r\n\r\n' : 'connection: keep-alive\r\n\r\n'
  }
  if (upgrade !== undefined && !isFieldValue(upgrade)) {
    throw unsendable('ERR_INVALID_CHAR', 'the field "upgrade" has a character that no field may have')
  }
  const option = upgrade !== undefined ? 'upgrade' : isLast ? 'close' : 'keep-alive'
  const protocols = upgrade === undefined ? '' : `upgrade: ${upgrade}\r\n`
  return takesTrailers
    ? `${protocols}te: trailers\r\nconnection: ${option}, te\r\n\r\n`
    : `${protocols}connection: ${option}\r\n\r\n`
}

/** Returns the Content-Length among the fields; undefined if there is none. */
function contentLength(fields: UpstreamRequest['fields']): number | undefined {
  let length: number | undefined
  for (let i = 0; i < fields.length; i += 2) {
    if (!isNamed(fields[i] as string, 'content-length')) continue
    const value = fields[i + 1] as string
    // A backend might read only one of two lengths, and take the rest of the body for another request.
    if (length !== undefined || !DIGITS.test(value)) {
      throw unsendable('ERR_HTTP_INVALID_HEADER_VALUE', `the field "content-length" has no valid value`)
    }
    length = Number(value)
  }
  return length
}

/** Returns true if a field has a name, which is given in lower case. */
function isNamed(name: string, lower: string): boolean {
  // Most names differ in length, so that few have to be converted.
  return name.length === lower.length && name.toLowerCase() === lower
}

function unsendable(code: string, message: string): Error {
  return Object.assign(new Error(message), { code })
}
