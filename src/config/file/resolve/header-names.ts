import { HOST_FIELD } from '../../../balancer/backends/spec.js'
import { isFieldValue } from '../../../proxy/http/fields.js'
import { refusedFieldNames } from '../../../proxy/http/header-changes.js'
import { HOP_BY_HOP } from '../../../proxy/http/hop-by-hop.js'
import type { HeaderChanges } from '../gateway-config.js'
import type { Mistakes, Path } from '../mistakes.js'
import type { HeaderChangesValue } from '../schema/route-schema.js'

const UNCHANGEABLE = 'is a field of the gateway itself, or of one connection, and cannot be changed so'
const FIELD_VALUE = 'the value of a field has no line breaks, no control characters, and no blanks around it'

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
  const seen = new Map<string, string>()
  const none = { set: {}, add: {}, remove: [] }
  const checkName = (name: string, at: Path, part: 'set' | 'add' | 'remove'): string => {
    const lower = name.toLowerCase()
    const [refused] = refusedFieldNames(
      { ...none, [part]: part === 'remove' ? [lower] : { [lower]: 'x' } },
      of,
    )
    const where = part === 'remove' ? 'value' : 'name'
    if (refused !== undefined) mistakes.add(at, UNCHANGEABLE, where)
    else if (seen.has(lower)) mistakes.add(at, `is in ${seen.get(lower)} as well`, where)
    seen.set(lower, part)
    return lower
  }
  const valuesIn = (part: 'set' | 'add') => {
    const entries = Object.entries(given?.[part] ?? {}).map(([name, value]) => {
      const at = [...path, part, name]
      const lower = checkName(name, at, part)
      if (!isFieldValue(value) || value !== value.trim()) mistakes.refuse(at, value, FIELD_VALUE)
      else if (lower === 'host' && !HOST_FIELD.test(value))
        mistakes.refuse(at, value, 'it takes a host, or host:port')
      return [lower, value]
    })
    return Object.fromEntries(entries) as Record<string, string>
  }
  const set = valuesIn('set')
  const add = valuesIn('add')
  const remove: string[] = []
  for (const [i, name] of (given?.remove ?? []).entries())
    if (name !== undefined) remove.push(checkName(name, [...path, 'remove', i], 'remove'))
  return { set, add, remove }
}
