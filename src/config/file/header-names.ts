import { isFieldValue } from '../../proxy/http/fields.js'
import { HOP_BY_HOP } from '../../proxy/http/hop-by-hop.js'
import type { HeaderChanges } from './gateway-config.js'
import type { Mistakes, Path } from './mistakes.js'
import type { HeaderChangesValue } from './route-schema.js'

/** Fields that say where a message ends, and those of one connection. */
const FRAMING: ReadonlySet<string> = new Set([...HOP_BY_HOP, 'content-length', 'trailer'])

/** Request fields that the gateway reads or writes itself. */
const OWN_REQUEST_FIELDS: ReadonlySet<string> = new Set([
  ...['expect', 'forwarded', 'host', 'proxy-authorization', 'via', 'x-forwarded-for', 'x-forwarded-host'],
  ...['x-forwarded-prefix', 'x-forwarded-proto', 'x-request-id'],
])

/** Request fields that mean something else than a fact about the client. */
const NO_FACTS: ReadonlySet<string> = new Set([
  ...[
    'authorization',
    'cookie',
    'content-type',
    'content-encoding',
    'max-forwards',
    'origin',
    'proxy',
    '__proto__',
  ],
])

/** Whether a request field is framing, hop-by-hop, or of the gateway itself. */
export function heldByGateway(name: string): boolean {
  return FRAMING.has(name) || OWN_REQUEST_FIELDS.has(name)
}

/** The name in lower case of a field that gets a fact about the client, such as a claim. */
export function forwardName(given: string, path: Path, mistakes: Mistakes): string {
  const name = given.toLowerCase()
  const plain = name.replaceAll('_', '-')
  const isTaken =
    heldByGateway(plain) || NO_FACTS.has(name) || NO_FACTS.has(plain) || plain.startsWith('sec-websocket-')
  if (isTaken) mistakes.refuse(path, given, 'that field has a meaning of its own')
  return name
}

/** Makes the changes of the fields of a message. */
export function resolveHeaders(
  given: HeaderChangesValue | undefined,
  of: 'request' | 'response',
  path: Path,
  mistakes: Mistakes,
): HeaderChanges {
  const checkName = (name: string, at: Path): string => {
    const lower = name.toLowerCase()
    const isHeld =
      FRAMING.has(lower) || lower === '__proto__' || (of === 'request' && OWN_REQUEST_FIELDS.has(lower))
    if (isHeld)
      mistakes.add(
        at,
        `${JSON.stringify(lower)} is a field of the gateway itself, or of one connection, and stays as it is`,
        'name',
      )
    return lower
  }
  const seen = new Map<string, string>()
  const valuesIn = (part: 'set' | 'add') => {
    const entries = Object.entries(given?.[part] ?? {}).map(([name, value]) => {
      const at = [...path, part, name]
      const lower = checkName(name, at)
      if (!isFieldValue(value) || value !== value.trim())
        mistakes.refuse(
          at,
          value,
          'the value of a field has no line breaks, no control characters, and no blanks around it',
        )
      if (seen.has(lower)) mistakes.add(at, `is in ${seen.get(lower)} as well`, 'name')
      seen.set(lower, part)
      return [lower, value]
    })
    return Object.fromEntries(entries) as Record<string, string>
  }
  const set = valuesIn('set')
  const add = valuesIn('add')
  const remove = (given?.remove ?? [])
    .filter((name) => name !== undefined)
    .map((name, i) => checkName(name, [...path, 'remove', i]))
  for (const [i, name] of remove.entries())
    if (seen.has(name))
      mistakes.add([...path, 'remove', i], `${JSON.stringify(name)} is in ${seen.get(name)} as well`)
  return { set, add, remove: [...new Set(remove)] }
}
