import type { Headers } from '../../../http/fields.js'
import type { Framing } from './response-framing.js'

/** A field's value; of a field with several lines, the list of their values. */
type Value = string | string[] | undefined

/** Returns true if a Connection field has an option, which is given in lower case (RFC 9110 section 7.6.1). */
export function hasOption(connection: Value, option: string): boolean {
  if (connection === undefined) return false
  if (typeof connection !== 'string') return connection.some((line) => hasOption(line, option))
  const lower = connection.toLowerCase()
  if (lower === option) return true
  return lower.includes(',') && lower.split(',').some((one) => one.trim() === option)
}

/**
 * Returns true if the connection may serve another request after a response (RFC 9112 section 9.3).
 * @param minorVersion 0 for HTTP/1.0, 1 for HTTP/1.1
 */
export function keepsAlive(
  minorVersion: number,
  statusCode: number,
  headers: Headers,
  framing: Framing,
): boolean {
  if (framing === 'connection') return false
  const { connection } = headers
  // A server that announces a body for 204, which has none, may send one, and the next response would begin with it.
  if (statusCode === 204 && announcesBody(headers)) return false
  if (minorVersion === 1) return !hasOption(connection, 'close')
  // HTTP/1.0 has no Transfer-Encoding, so where such a response ends is uncertain (RFC 9112 section 6.1).
  if (headers['transfer-encoding'] !== undefined) return false
  return hasOption(connection, 'keep-alive') && !hasOption(connection, 'close')
}

function announcesBody(headers: Headers): boolean {
  const length = headers['content-length']
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

/** Returns the seconds of `Keep-Alive: timeout=`; undefined if there is no such number. */
export function keepAliveTimeout(headers: Headers): number | undefined {
  const value = headers['keep-alive']
  if (value === undefined) return undefined
  const seconds = /(?:^|[,;\s])timeout\s*=\s*"?(\d{1,9})(?![\d.])/i.exec(String(value))?.[1]
  return seconds === undefined ? undefined : Number(seconds)
}
