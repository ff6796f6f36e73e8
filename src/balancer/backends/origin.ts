import { InvalidBackendError } from '../errors.js'
import { isUnixUrl, normalizeUnixUrl } from './unix-url.js'

/** Where a backend listens. A `URL` has these fields, too. */
export interface Origin extends Pick<URL, 'protocol' | 'hostname' | 'port'> {
  /** The URL of the backend in its one spelling. */
  readonly origin: string
  /** The Host field that names the backend. */
  readonly host: string
}

/**
 * Parses a backend's URL.
 * @throws {InvalidBackendError} for anything but scheme, host and port, or the path of a Unix socket. WHATWG URL parsing
 *   silently corrects many mistakes (blanks, backslashes, a missing slash); such a URL is refused instead.
 */
export function parseOrigin(text: string): Origin {
  const refuse = (why: string) => new InvalidBackendError('url', why)
  if (typeof text === 'string' && isUnixUrl(text)) {
    // HTTP requires a Host, and this is the one that curl and nginx send to a Unix socket.
    return { origin: normalizeUnixUrl(text), protocol: 'unix:', host: 'localhost', hostname: '', port: '' }
  }
  if (typeof text !== 'string' || !/^https?:\/\//i.test(text))
    throw refuse('must start with http:// or https://, or with unix:/')
  const rest = text.slice(text.indexOf('//') + 2)
  if (rest.includes('@')) throw refuse('must not have credentials')
  if (rest.includes('?')) throw refuse('must not have a query')
  if (rest.includes('#')) throw refuse('must not have a fragment')
  if (/[^/]*\/./.test(rest)) throw refuse('must not have a path')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\s\\\u0000-\u001f\u007f]/.test(rest)) throw refuse('must be scheme://host:port')
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw refuse('must be scheme://host:port')
  }
  if (url.port === '0') throw refuse('must not have port 0')
  const ipv4 = mappedIpv4(url.hostname)
  if (ipv4 !== undefined) url.hostname = ipv4
  return url
}

/** The IPv4 address that an IPv6 address of the form `[::ffff:127.0.0.1]` stands for (RFC 4291 section 2.5.5.2). */
function mappedIpv4(hostname: string): string | undefined {
  // The URL parser has written the address in its shortest form, in hexadecimal digits.
  const [, high, low] = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname) ?? []
  if (high === undefined || low === undefined) return undefined
  const [first, last] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return [first >> 8, first & 255, last >> 8, last & 255].join('.')
}
