import { InvalidBackendError } from '../errors.js'

/** Most bytes of the path of a Unix socket on Linux, see unix(7). */
const MAX_SOCKET_PATH_BYTES = 107

const SCHEME = /^unix:/i

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/

/** Returns true if a URL names a Unix socket, whether or not its path is valid. */
export function isUnixUrl(text: string): boolean {
  return SCHEME.test(text)
}

/**
 * Returns the URL of a Unix socket in its one spelling: `unix:/path` for a file, or `unix:@name` for an abstract socket
 * of Linux. In a URL `%` and two digits stand for a byte of UTF-8 (RFC 3986 section 2.1). Commas and semicolons are
 * written so, because they separate backends and parameters in a list.
 * @throws {InvalidBackendError} for a path that is not absolute, is too long, or can be written in several ways
 */
export function normalizeUnixUrl(text: string): string {
  const refuse = (why: string) => new InvalidBackendError('url', why)
  const given = text.replace(SCHEME, '')
  if (given.startsWith('//')) throw refuse('must be unix:/path with one slash, and without a host')
  if (!/^[/@]/.test(given)) throw refuse('must have an absolute path after unix:, like unix:/run/app.sock')
  if (given.includes('?')) throw refuse('must not have a query; a question mark of a path is written %3F')
  if (given.includes('#')) throw refuse('must not have a fragment; a number sign of a path is written %23')
  if (/\s/.test(given)) throw refuse('must not have blanks; a blank of a path is written %20')
  if (given.includes('\\')) throw refuse('must not have a backslash; one of a path is written %5C')
  const path = decode(given)
  if (path === undefined) throw refuse('must be UTF-8, with %25 for each % of the path')
  if (CONTROL.test(path)) throw refuse('must not have control characters')
  if (path === '@') throw refuse('must have a name after unix:@')
  if (path.startsWith('/') && !isPlainPath(path)) {
    throw refuse('must name a socket by its plain path, without empty parts, "." and ".."')
  }
  // The byte 0 stands in place of the `@` of an abstract socket, so both forms have the same limit.
  const bytes = new TextEncoder().encode(path).length
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    throw refuse(`has a path of ${bytes} bytes, and a Unix socket has at most ${MAX_SOCKET_PATH_BYTES}`)
  }
  return `unix:${encode(path)}`
}

/**
 * Returns the path of a socket as Node's `net.connect` takes it, where the byte 0 begins the name of an abstract
 * socket; undefined for a URL of another kind.
 * @param url of a registered backend
 */
export function socketPathOf(url: string): string | undefined {
  if (!isUnixUrl(url)) return undefined
  const path = decodeURIComponent(url.replace(SCHEME, ''))
  return path.startsWith('@') ? `\0${path.slice(1)}` : path
}

function decode(text: string): string | undefined {
  try {
    const path = decodeURIComponent(text)
    // Half of a surrogate pair is no character, and is refused here.
    encodeURIComponent(path)
    return path
  } catch {
    return undefined
  }
}

/** Encodes what is not usual in paths, so that the result can stand in a list of backends and on a terminal. */
function encode(path: string): string {
  return encodeURIComponent(path).replaceAll(/%(2F|40|3A|2B|3D)/g, decodeURIComponent)
}

/** Returns true if no other text names the same path, apart from links. */
function isPlainPath(path: string): boolean {
  return path
    .slice(1)
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..')
}
