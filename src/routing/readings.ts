/**
 * Characters of a path that servers read in different ways: escapes of separators, of dots, of %, of `;`, `?` and `#`,
 * of white space at the edges of a segment, empty segments, dots at the edges of one, backslashes, and parameters.
 */
const AMBIGUOUS =
  /%(?:2[35ef]|3[bf]|5c)|(?:\/|^)%(?:0[9-d]|20)|%(?:0[9-d]|20)(?:\/|$)|\/\/|\/\.|\.(?:\/|$)|\\|;/i

/** Upper bound of the characters that are read for one request; a path that needs more is not safe to route. */
const MAX_CHARACTERS = 32_768

/** Upper bound of the readings of one path, which bounds what a request can cost. Paths without ill intent have less than ten. */
const MAX_READINGS = 64

/**
 * What a server may do with a path before it looks where the path leads. Each is known of servers in use, they are
 * combined in any order, and a chain of servers does some of them twice.
 */
const STEPS: readonly ((path: string) => string)[] = [
  // An escaped slash separates segments.
  (path) => path.replace(/%2f/gi, '/'),
  // A backslash separates segments.
  (path) => path.replace(/\\|%5c/gi, '/'),
  // Empty segments count for nothing.
  (path) => path.replace(/\/{2,}/g, '/'),
  // Dots may be escaped.
  (path) => path.replace(/%2e/gi, '.'),
  withoutDots,
  // A segment ends at a semicolon; what follows are its parameters.
  (path) => path.replace(/;[^/]*/g, ''),
  // White space around a segment counts for nothing.
  (path) => path.replace(/(?<=\/)(?: |%20|%0[9-d])+|(?<! |%20|%0[9-d])(?: |%20|%0[9-d])+(?=\/|$)/gi, ''),
  // Dots at the end of a name count for nothing, as in Windows.
  (path) => path.replace(/(?:(?<=[^./])\.+|(?<=\/)\.{3,})(?=\/|$)/g, ''),
  // All escapes are decoded, and the result is decoded once more later.
  (path) => path.replace(/%([2-6][0-9a-f]|7[0-9a-e])/gi, character),
  // What follows two slashes at the start is a host, as in a URL without a scheme.
  (path) => path.replace(/^[/\\]{2,}[^/\\]*/, '').replace(/^$/, '/'),
  // A query or a fragment begins at what was escaped.
  (path) => path.replace(/[?#].*$/s, ''),
]

/** Whether servers may read a path in different ways. */
export function hasReadings(path: string): boolean {
  return AMBIGUOUS.test(path)
}

/** Why a path must not be forwarded: how a server may read it, or that there are too many ways to read it. */
export type Disagreement = { reading: string } | 'too-many-readings'

/**
 * Looks whether `leads` says the same of each path that a server may read in `path`, and stops at the first that differs.
 * @param path without its query, well-formed
 * @returns undefined where all readings agree
 */
export function disagreement<T>(path: string, leads: (reading: string) => T): Disagreement | undefined {
  const plain = leads(path)
  const readings = new Set([path])
  let characters = 0
  for (const reading of readings) {
    characters += reading.length
    if (characters > MAX_CHARACTERS || readings.size > MAX_READINGS) return 'too-many-readings'
    for (const step of STEPS) {
      const next = step(reading)
      if (readings.has(next)) continue
      if (leads(next) !== plain) return { reading: next }
      readings.add(next)
    }
  }
  return undefined
}

/** Dots resolved as in RFC 3986 section 5.2.4: an empty segment is a segment. */
function withoutDots(path: string): string {
  if (!path.includes('/.')) return path
  const segments: string[] = []
  const parts = path.split('/').slice(1)
  for (const part of parts) {
    if (part === '..') segments.pop()
    else if (part !== '.') segments.push(part)
  }
  // Dots at the end leave a path that ends with a slash.
  const last = parts.at(-1)
  if (last === '..' || last === '.') segments.push('')
  return `/${segments.join('/')}`
}

function character(_escape: string, digits: string): string {
  return String.fromCharCode(Number.parseInt(digits, 16))
}
