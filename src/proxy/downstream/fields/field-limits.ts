import type { IncomingMessage } from 'node:http'
import { nominatesTooMany } from '../../http/hop-by-hop.js'

/** Largest number of fields of a request: each costs time, and a head of 16 KB has room for thousands. */
export const MAX_FIELDS = 512

/** A server, which drops the fields of a request beyond `maxHeadersCount` without a word. */
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
 * Finds out whether a request has more fields, or names more of them in its Connection field, than are accepted; or as
 * many as the server keeps, so that it may have dropped some.
 * @returns whether it has
 */
export function countFields(raw: IncomingMessage, { maxHeadersCount }: FieldCounter): boolean {
  // Not by raw.headers, which Node makes when it is first asked for: that takes the longer the more fields there are.
  const fields = raw.rawHeaders.length / 2
  const isOver =
    fields > MAX_FIELDS ||
    Boolean(maxHeadersCount && fields >= maxHeadersCount) ||
    nominatesTooMany(raw.headers.connection)
  if (isOver) tooMany.add(raw)
  return isOver
}
