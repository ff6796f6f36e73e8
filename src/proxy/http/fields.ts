/** Header fields by lower-case name. The value of a field that came in several lines is a list. */
export type Headers = Record<string, string | string[] | undefined>

/** Header fields line by line, as an array with names and values in turn: name, value, name, value, ... */
export type FieldLines = string[]

/**
 * A name that a field may have like any other, although assigning a property of this name would set the prototype of an
 * object. Node makes plain objects of fields, so a field of this name is missing there.
 */
export const PROTO = '__proto__'

/**
 * The setting for request fields with an underscore in their name, which are dropped or passed on. Some servers treat
 * the underscore as a hyphen.
 */
export type UnderscoreHeaders = 'drop' | 'pass'

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const FORBIDDEN_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/

/** Returns true if a text is a token, as methods and names of fields have to be (RFC 9110 section 5.6.2). */
export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

/**
 * Returns true if a text has only characters that the value of a field may have (RFC 9110 section 5.5). A line break,
 * for example, would begin another field.
 */
export function isFieldValue(text: string): boolean {
  return !FORBIDDEN_IN_VALUE.test(text)
}

/**
 * The class of header fields. A field may have any name, even `__proto__`, so its objects inherit nothing. V8 accesses
 * them faster than what `Object.create(null)` returns, which it treats as a hash table.
 */
class HeaderFields {}
Object.setPrototypeOf(HeaderFields.prototype, null)
Reflect.deleteProperty(HeaderFields.prototype, 'constructor')
Object.freeze(HeaderFields.prototype)

/** Returns header fields to which lines may be added. */
export function emptyHeaders(): Headers {
  return new HeaderFields() as Headers
}

/** Adds a header line. @param name in lower case */
export function addLine(headers: Headers, name: string, value: string): void {
  const before = headers[name]
  if (before === undefined) headers[name] = value
  else if (typeof before === 'string') headers[name] = [before, value]
  else before.push(value)
}

/** Returns the value of the first line that has a name; undefined if there is none. @param name as it is written */
export function firstValue(lines: FieldLines, name: string): string | undefined {
  for (let i = 0; i < lines.length; i += 2) if (lines[i] === name) return lines[i + 1]
  return undefined
}
