/** Fields that apply to one connection only: those of RFC 9110 section 7.6.1, and older ones that are still sent. */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
])

/** Largest number of names in a Connection field; no protocol needs that many. */
const MAX_NOMINATED = 100

/** Whether a Connection field names no other fields, which is so for most requests. */
export function isPlain(connection: string | string[] | undefined): boolean {
  return connection === undefined || connection === 'keep-alive' || connection === 'close'
}

/**
 * The names of the fields that a Connection field declares as applying to this connection only; undefined where there
 * are none.
 */
export function nominatedBy(connection: string | string[] | undefined): Set<string> | undefined {
  if (isPlain(connection)) return undefined
  // Several lines of the field are an array.
  const names = String(connection).split(',')
  return new Set(names.map((name) => name.trim().toLowerCase()))
}

/** Whether a Connection field names more fields than it may. */
export function nominatesTooMany(connection: string | undefined): boolean {
  if (connection === undefined || connection.length < MAX_NOMINATED) return false
  let names = 1
  for (let i = connection.indexOf(','); i !== -1; i = connection.indexOf(',', i + 1)) names++
  return names > MAX_NOMINATED
}
