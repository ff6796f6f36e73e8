/**
 * Header fields that apply to one connection only: the fields of RFC 9110 section 7.6.1, and older fields that are
 * still sent.
 */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
])

/** Largest number of names that a Connection field may have; no protocol needs that many. */
const MAX_NOMINATED = 100

/** Returns true if a Connection field names no other fields, as in most requests. */
function isPlain(connection: string | string[] | undefined): boolean {
  return connection === undefined || connection === 'keep-alive' || connection === 'close'
}

/**
 * Returns the names of the fields that a Connection field declares as applying to this connection only; undefined if
 * there are none.
 */
export function nominatedBy(connection: string | string[] | undefined): Set<string> | undefined {
  if (isPlain(connection)) return undefined
  // A field that came in several lines is an array.
  const names = String(connection).split(',')
  return new Set(names.map((name) => name.trim().toLowerCase()))
}

/** Returns true if a Connection field names more fields than a Connection field may. */
export function nominatesTooMany(connection: string | undefined): boolean {
  if (connection === undefined || connection.length < MAX_NOMINATED) return false
  let names = 1
  for (let i = connection.indexOf(','); i !== -1; i = connection.indexOf(',', i + 1)) names++
  return names > MAX_NOMINATED
}
