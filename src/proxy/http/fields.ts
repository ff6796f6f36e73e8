/** Header fields by lower-case name; what came in several lines is a list. */
export type Headers = Record<string, string | string[] | undefined>

/** Header fields line by line: a name, its value, a name, its value, ... */
export type FieldLines = string[]

/** What becomes of request fields with an underscore in their name, which some servers take for a hyphen. */
export type UnderscoreHeaders = 'drop' | 'pass'

/** The fields of a message by lower-case name, each line kept: Node joins some, and keeps only the first of others. */
export function toHeaders(lines: readonly string[]): Headers {
  // A field may have any name, `__proto__` too.
  const headers: Headers = Object.create(null)
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase()
    const value = lines[i + 1] as string
    const before = headers[name]
    if (before === undefined) headers[name] = value
    else if (Array.isArray(before)) before.push(value)
    else headers[name] = [before, value]
  }
  return headers
}
