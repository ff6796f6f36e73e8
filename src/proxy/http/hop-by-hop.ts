/** Fields that concern one connection only, RFC 9110 section 7.6.1 and what is left over from before it. */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
])

/** Largest number of names in a Connection field: no protocol needs as many. */
const MAX_NOMINATED = 100

/** Whether a Connection field names nothing but what becomes of the connection, as most do. */
export function isPlain(connection: string | string[] | undefined): boolean {
  return connection === undefined || connection === 'keep-alive' || connection === 'close'
}

/** The fields that a Connection field names as being of that connection only; undefined where there are none. */
export function nominatedBy(connection: string | string[] | undefined): Set<string> | undefined {
  if (isPlain(connection)) return undefined
  // More than one line of it comes as a list.
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
