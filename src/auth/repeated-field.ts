/**
 * Whether a field came more than once. Node keeps the first line of Authorization and joins those of other fields, and a
 * backend may do otherwise.
 * @param field in lower case
 */
export function isRepeated(rawHeaders: readonly string[], field: string): boolean {
  let lines = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === field.length && name.toLowerCase() === field) lines++
  }
  return lines > 1
}
