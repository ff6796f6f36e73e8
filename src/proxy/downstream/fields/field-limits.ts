import type { IncomingMessage } from 'node:http'
import { nominatesTooMany } from '../../http/hop-by-hop.js'

/** Largest number of fields of a request. Each field costs time, and a head of 16 KB has room for thousands. */
export const MAX_FIELDS = 512

/** A server, which silently drops the fields of a request beyond `maxHeadersCount`. */
export interface FieldCounter {
  maxHeadersCount?: number | null
}

/** Requests that were found to have too many fields. */
const tooMany = new WeakSet<IncomingMessage>()

/** Whether {@link countFields} has found that a request has too many fields. */
export function hasTooManyFields(raw: IncomingMessage): boolean {
  return tooMany.has(raw)
}

/**
 * Whether a request has too many fields: more than are accepted, or more names than are accepted in its Connection
 * field, or as many fields as the server keeps, so that the server may have dropped some.
 * @returns whether the request has too many fields
 */
export function countFields(raw: IncomingMessage, { maxHeadersCount }: FieldCounter): boolean {
  // This counts rawHeaders, because Node makes raw.headers on the first access, and that takes the longer the more
  // fields there are.
  const fields = raw.rawHeaders.length / 2
  const isOver =
    fields > MAX_FIELDS ||
    Boolean(maxHeadersCount && fields >= maxHeadersCount) ||
    nominatesTooMany(raw.headers.connection)
  if (isOver) tooMany.add(raw)
  return isOver
}
