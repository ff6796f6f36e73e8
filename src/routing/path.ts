import { disagreement } from './readings.js'

/** A character that is in no path: a control character, a space, or the start of a fragment. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that are refused.
const FOREIGN = /[\x00-\x20\x7f#]/

/**
 * What no path needs, and what software reads in different ways: a % without two digits, the escape of NUL, which ends a
 * text in C, and the escapes of UTF-8 sequences that are longer than they need to be, such as %c0%ae for a dot.
 */
const MALFORMED = /%(?![0-9a-f]{2})|%00|%c[01]|%e0%[89]|%f0%8/i

// biome-ignore lint/suspicious/noControlCharactersInRegex: everything in ASCII.
const BEYOND_ASCII = /[^\x00-\x7f]/g

/** The path of a target without its query. */
export function withoutQuery(target: string): string {
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}

/** Whether a request's path, without its query, must be refused whatever the routes are. */
export function isMalformed(path: string): boolean {
  return FOREIGN.test(path) || (path.includes('%') && MALFORMED.test(path))
}

/**
 * A request's path with its escapes decoded. Only an escaped slash and an escaped % stay, as `%2F` and `%25`, so that
 * each / still ends a segment, and two paths that differ stay different.
 */
export function decodedPath(path: string): string {
  BEYOND_ASCII.lastIndex = 0
  const raw = BEYOND_ASCII.test(path) ? path.replace(BEYOND_ASCII, escaped) : path
  if (!raw.includes('%')) return raw
  const kept = raw.replace(/%(?:2f|25|(?![0-9a-f]{2}))/gi, keep)
  try {
    return decodeURIComponent(kept)
  } catch {
    // The escapes are no UTF-8, which they need not be (RFC 3986 section 2.5). No route names such a path.
    return raw.replace(/%([2-6][0-9a-f]|7[0-9a-e])/gi, decoded).replace(/%[89a-f][0-9a-f]/gi, upper)
  }
}

/**
 * The path that a route names, as {@link decodedPath} has that of a request. It may have escapes, and characters beyond
 * ASCII as they are.
 * @returns undefined where no request's path can begin with it: it does not start with a slash, ends with one, has an
 *   empty segment, dots that are resolved, a query, an escape that is malformed, or
 *   what servers read in different ways, such as an escaped slash
 */
export function routePath(text: string): string | undefined {
  if (text === '') return ''
  if (!text.startsWith('/') || text.includes('?') || /\p{Surrogate}/u.test(text)) return undefined
  const raw = text.replace(UNESCAPED, encodeURIComponent)
  if (isMalformed(raw)) return undefined
  const path = decodedPath(raw)
  if (disagreement(raw, decodedPath)) return undefined
  const segments = path.split('/').slice(1)
  return segments.some((segment) => segment === '' || segment === '.' || segment === '..') ? undefined : path
}

/** What a file has as it is, and a target as an escape. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters stay, and are refused.
const UNESCAPED = /[^\x00-\x1f\x21-\x7f]+/g

/** Node gives each byte of a target as one character. */
function escaped(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}

function keep(sequence: string): string {
  return `%25${sequence === '%' ? '25' : sequence.slice(1).toUpperCase()}`
}

function decoded(sequence: string, digits: string): string {
  const code = Number.parseInt(digits, 16)
  return code === 0x25 || code === 0x2f ? sequence.toUpperCase() : String.fromCharCode(code)
}

function upper(sequence: string): string {
  return sequence.toUpperCase()
}
