import { type FieldLines, PROTO } from '../../http/fields.js'
import { GATEWAY_FIELDS } from './gateway-fields.js'
import type { Names, ReceivedRequest } from './untrusted-fields.js'

/**
 * Adds the fields of a request to the lines for a backend. A field that no hook of the app has touched is added line by
 * line as the client sent it: in its order and spelling, and as often as it came. A field that a hook has changed or
 * added has the hook's value, and a field that a hook has removed is left out.
 *
 * A field that hooks see with its first value only, such as Authorization, is added with that value only. Node ignores
 * further lines of such a field, so a hook cannot check them, and a backend may use the last line.
 */
export function addClientLines(lines: FieldLines, received: ReceivedRequest): void {
  const { raw, headers, untrusted } = received
  const { rawHeaders } = raw
  const before = lines.length
  let at = 0
  // Most requests have one line for each name, and no hook has changed any. Then names and lines are in the same order.
  for (const name in headers) {
    const value = headers[name]
    if (at === rawHeaders.length) {
      if (!isLeftOut(name, untrusted)) addValue(lines, name, value)
      continue
    }
    const spelling = rawHeaders[at] as string
    if (value !== rawHeaders[at + 1] || !isSpelling(spelling, name)) break
    at += 2
    if (!isLeftOut(name, untrusted)) lines.push(spelling, value as string)
  }
  if (at === rawHeaders.length) return
  lines.length = before
  addByName(lines, received)
}

/** Adds the fields of any request, as {@link addClientLines} does. */
function addByName(lines: FieldLines, { raw, headers, untrusted }: ReceivedRequest): void {
  const { rawHeaders, httpVersionMajor } = raw
  const valuesOf = new Map<string, string[]>()
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase()
    const values = valuesOf.get(name)
    if (values) values.push(rawHeaders[i + 1] as string)
    else valuesOf.set(name, [rawHeaders[i + 1] as string])
  }
  /** For each name that was met: whether its lines go to the backend as they are. */
  const isWhole = new Map<string, boolean>()
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const spelling = rawHeaders[i] as string
    const name = spelling.toLowerCase()
    if (isLeftOut(name, untrusted)) continue
    let whole = isWhole.get(name)
    if (whole === undefined) {
      whole = isAsSent(headers, name, valuesOf.get(name) as string[], httpVersionMajor)
      isWhole.set(name, whole)
      // A field that was removed may have the name of a property that every object has.
      if (!whole && Object.hasOwn(headers, name)) addValue(lines, spelling, headers[name])
    }
    if (whole) lines.push(spelling, rawHeaders[i + 1] as string)
  }
  for (const name in headers) {
    if (!valuesOf.has(name) && !isLeftOut(name, untrusted)) addValue(lines, name, headers[name])
  }
}

/** Whether a field of the client does not go to a backend, or not as the client sent it. */
function isLeftOut(name: string, untrusted: Names | undefined): boolean {
  // Names of HTTP/2's pseudo-fields begin with a colon.
  return GATEWAY_FIELDS.has(name) || name.startsWith(':') || untrusted?.has(name) === true
}

/** Whether a name as it came is the same as one in lower case. */
function isSpelling(spelling: string, name: string): boolean {
  return spelling.length === name.length && spelling.toLowerCase() === name
}

/** Whether a field has the value that Node has made of all its lines, so that hooks have seen every line. */
function isAsSent(
  headers: ReceivedRequest['headers'],
  name: string,
  values: readonly string[],
  httpVersionMajor: number,
): boolean {
  const value: unknown = Object.hasOwn(headers, name) ? headers[name] : undefined
  // Hooks do not see this field, as Node has no such property, and so they cannot have removed it.
  if (value === undefined && name === PROTO) return true
  if (values.length === 1) return value === values[0]
  if (Array.isArray(value))
    return value.length === values.length && value.every((line, i) => line === values[i])
  if (name !== 'cookie') return value === values.join(', ')
  // An HTTP/2 client may cut its cookies into several lines, which HTTP/1.1 has joined, RFC 9113 section 8.2.3.
  return httpVersionMajor === 1 && value === values.join('; ')
}

/** Adds a field with the value that a hook of the app has set. */
function addValue(lines: FieldLines, name: string, value: unknown): void {
  if (typeof value === 'string') lines.push(name, value)
  else if (Array.isArray(value)) for (const line of value) lines.push(name, String(line))
  // A hook may have set a number, so the value is converted to text.
  else if (value !== undefined && value !== null) lines.push(name, String(value))
}
