import { addLine, type FieldLines, type Headers, isFieldValue, isToken, PROTO } from './fields.js'
import { HOP_BY_HOP } from './hop-by-hop.js'

/** What a route changes in header fields. Names are in lower case. */
export interface HeaderChanges {
  /** Fields that take the place of what is there. */
  readonly set: Readonly<Record<string, string>>
  /** Fields that come beside what is there. */
  readonly add: Readonly<Record<string, string>>
  /** Names of fields that are removed. */
  readonly remove: readonly string[]
}

/** Changes in the form in which they are applied to each request or response. */
export interface FieldChanges {
  /** Names of the fields that are removed, those that are set included. */
  readonly removed: ReadonlySet<string>
  /** The fields that are added afterwards: names and values in turn. */
  readonly added: FieldLines
  /** The Host that takes the place of the client's; undefined where it stays. */
  readonly host: string | undefined
  /** Names of request fields that are added to Vary of responses. */
  readonly varies: readonly string[]
}

/** Fields that say where a message ends, or what its connection is for, so that nobody but the gateway may write them. */
const NEVER_CHANGED: ReadonlySet<string> = new Set([
  ...HOP_BY_HOP,
  'content-length',
  'expect',
  'trailer',
  PROTO,
])

/** The response fields by which a backend speaks of cross-origin requests itself. */
const CORS_FIELDS = [
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
  'access-control-expose-headers',
  'access-control-max-age',
]

/** Whether a route must not change the field of a name. @param name in lower case */
export function isUnchangeable(name: string): boolean {
  return NEVER_CHANGED.has(name) || name.startsWith('sec-websocket-') || !isToken(name)
}

/**
 * Finds out which changes a route must not make.
 * @param part whether the fields of requests or of responses are changed
 * @returns names of fields that may not be changed so, or have a value that no field may have
 */
export function refusedFieldNames(changes: HeaderChanges, part: 'request' | 'response'): string[] {
  const values = [...Object.entries(changes.set), ...Object.entries(changes.add)]
  const names = [...values.map(([name]) => name), ...changes.remove]
  const refused = new Set(names.filter(isUnchangeable))
  for (const [name, value] of values) {
    if (!isFieldValue(value) || value !== value.trim()) refused.add(name)
  }
  // A request has one Host, which can be replaced, but neither removed nor added to.
  const isHostMoved = Object.hasOwn(changes.add, 'host') || changes.remove.includes('host')
  if (part === 'request' ? isHostMoved || changes.set.host === '' : names.includes('host'))
    refused.add('host')
  return [...refused]
}

/** Prepares the changes of a route's requests; undefined where there are none. */
export function requestChangesOf({ set, add, remove }: HeaderChanges): FieldChanges | undefined {
  const { host, ...others } = set
  const names = [...Object.keys(others), ...remove].map(canonical)
  const added = [...linesOf(others), ...linesOf(add)]
  if (names.length === 0 && added.length === 0 && host === undefined) return undefined
  return { removed: new Set(names), added, host, varies: [] }
}

/**
 * Prepares the changes of a route's responses; undefined where there are none.
 * @param cors undefined where the route has no CORS. Otherwise the backend's own fields of CORS are removed, because a
 * browser accepts one value only; `varies` says whether the gateway's value depends on the Origin of the request
 */
export function responseChangesOf(
  { set, add, remove }: HeaderChanges,
  cors?: { varies: boolean },
): FieldChanges | undefined {
  const removed = new Set([...Object.keys(set), ...remove, ...(cors ? CORS_FIELDS : [])])
  const added = [...linesOf(set), ...linesOf(add)]
  if (removed.size === 0 && added.length === 0) return undefined
  return { removed, added, host: undefined, varies: cors?.varies ? ['Origin'] : [] }
}

/** Makes the changes to the fields of a request for a backend. Host is the first of them, and stays. */
export function changeRequestFields(lines: FieldLines, { removed, added }: FieldChanges): FieldLines {
  const changed: FieldLines = []
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] as string
    if (!removed.has(canonical(name))) changed.push(name, lines[i + 1] as string)
  }
  for (const text of added) changed.push(text)
  return changed
}

/** Makes the changes to the fields of a response for a client. @param headers changed in place */
export function changeResponseFields(headers: Headers, { removed, added, varies }: FieldChanges): void {
  for (const name of removed) if (Object.hasOwn(headers, name)) delete headers[name]
  for (let i = 0; i < added.length; i += 2) {
    const name = added[i] as string
    // The name may be that of a property which every object has.
    if (Object.hasOwn(headers, name)) addLine(headers, name, added[i + 1] as string)
    else headers[name] = added[i + 1] as string
  }
  for (const name of varies) if (headers.vary !== undefined) headers.vary = withMember(headers.vary, name)
}

/** A list with one more member, unless it has that member already, or `*`. */
export function withMember(list: string | string[], member: string): string {
  const text = Array.isArray(list) ? list.join(', ') : list
  const members = text.split(',').map((name) => name.trim().toLowerCase())
  if (members.includes(member.toLowerCase()) || members.includes('*')) return text
  return text.trim() === '' ? member : `${text}, ${member}`
}

function linesOf(fields: Readonly<Record<string, string>>): FieldLines {
  return Object.entries(fields).flat()
}

/**
 * One spelling for the names of request fields that servers may take for the same one: CGI and WSGI make the same
 * variable of `x_user` as of `x-user`, so a client's `x_user` must not stay beside a field that the route sets.
 */
function canonical(name: string): string {
  return name.toLowerCase().replaceAll('_', '-')
}
