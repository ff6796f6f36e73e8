import type { IncomingMessage } from 'node:http'
import { nominatesTooMany } from './hop-by-hop.js'

/** Fields of one request; each costs time, and 16 KB have room for thousands. */
export const MAX_FIELDS = 512

/** A server may count fewer, and forgets the fields that come after those. */
export interface FieldCounter {
  maxHeadersCount?: number | null
}

/**
 * Whether a request has more fields, or names more of them in its Connection field, than are looked at; or as many as
 * the server counts, so that there may have been others, which nobody knows of any more.
 */
export function hasTooManyFields(raw: IncomingMessage, server: FieldCounter): boolean {
  // Node makes an object of them when it is first asked for, which takes the longer the more there are.
  const fields = raw.rawHeaders.length / 2
  if (fields > MAX_FIELDS) return true
  const { maxHeadersCount } = server
  if (maxHeadersCount && fields >= maxHeadersCount) return true
  return nominatesTooMany(raw.headers.connection)
}
