import type { IncomingMessage } from 'node:http'
import { nominatesTooMany } from '../../http/hop-by-hop.js'

/** Largest number of fields of a request: each costs time, and a head of 16 KB has room for thousands. */
export const MAX_FIELDS = 512

/** A server, which drops the fields of a request beyond `maxHeadersCount` without a word. */
export interface FieldCounter {
  maxHeadersCount?: number | null
}

/**
 * Whether a request has more fields, or names more of them in its Connection field, than are accepted; or as many as the
 * server keeps, so that it may have dropped some.
 */
export function hasTooManyFields(raw: IncomingMessage, server: FieldCounter): boolean {
  // Not by raw.headers: Node makes that object when it is first asked for, which takes the longer the more fields there are.
  const fields = raw.rawHeaders.length / 2
  if (fields > MAX_FIELDS) return true
  const { maxHeadersCount } = server
  if (maxHeadersCount && fields >= maxHeadersCount) return true
  return nominatesTooMany(raw.headers.connection)
}
