import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { FieldLines, Headers } from '../../http/fields.js'
import { HOP_BY_HOP, nominatedBy } from '../../http/hop-by-hop.js'
import type { Trust } from '../../http/trust.js'
import { endOfSegments } from '../request/prefix.js'
import { REQUEST_ID } from '../request/request-id.js'
import { type Arrived, givenIn, isReplaced, originOf } from './forwarded.js'
import { OURS } from './own-fields.js'

export interface ForwardingOptions {
  /** Which proxies are believed what they say of a request. */
  trust: Trust
  /** What we call ourselves in Via; undefined where we do not. */
  via: string | undefined
  /** What the request is called. */
  requestId: string
  /** The host that the request names. */
  host: string | undefined
  /** The prefix that was taken off its path. */
  prefix: string
}

/** The request's header fields as a backend shall see them; Host, which depends on the backend, is left open. */
export function toBackend(arrived: Arrived, options: ForwardingOptions): FieldLines {
  const { raw, headers, untrusted } = arrived
  const lines: FieldLines = ['host', '']
  for (const name in headers) {
    // Pseudo-fields of HTTP/2 are no fields.
    if (OURS.has(name) || name.startsWith(':') || untrusted?.has(name)) continue
    const value = headers[name]
    if (typeof value === 'string') lines.push(name, value)
    else if (Array.isArray(value)) for (const line of value) lines.push(name, line)
    // A hook may have set a number.
    else if (value !== undefined && value !== null) lines.push(name, String(value))
  }
  lines.push(REQUEST_ID, options.requestId)
  addVia(lines, raw.httpVersion, headers, options.via)
  const origin = originOf(arrived, options.trust, options.host)
  lines.push('x-forwarded-for', origin.for, 'x-forwarded-proto', origin.proto)
  if (origin.host !== undefined) lines.push('x-forwarded-host', origin.host)
  lines.push('forwarded', origin.forwarded)
  const prefix = forwardedPrefix(arrived, options)
  if (prefix !== '') lines.push('x-forwarded-prefix', prefix)
  return lines
}

/** RFC 9110 section 7.6.3. */
function addVia(lines: FieldLines, version: string, { via }: IncomingHttpHeaders, own: string | undefined) {
  if (own !== undefined) lines.push('via', via ? `${via}, ${version} ${own}` : `${version} ${own}`)
  else if (via) lines.push('via', via)
}

/** The prefix that earlier proxies and this one took off the path; where the app has set the field, its value. */
function forwardedPrefix(arrived: Arrived, { trust, prefix }: ForwardingOptions): string {
  const given = givenIn(arrived, 'x-forwarded-prefix')
  if (given === undefined) return prefix
  if (trust(arrived.peer, []) === 0 || isReplaced(arrived, 'x-forwarded-prefix')) return given
  return given.replace(/\/+$/, '') + prefix
}

/** Counts Max-Forwards of an OPTIONS down; false where the request ends here. RFC 9110 section 7.6.2. */
export function countForward({ headers }: IncomingMessage): boolean {
  const left = String(headers['max-forwards'] ?? '')
  if (!/^\d+$/.test(left)) return true
  const hops = BigInt(left)
  headers['max-forwards'] = String(hops - 1n)
  return hops > 0n
}

/**
 * The response's header fields as a client shall see them.
 * @param via what we call ourselves in Via; undefined where we do not
 */
export function toClient(headers: Headers, via: string | undefined): Headers {
  const nominated = nominatedBy(headers.connection)
  // A new object: to delete from the one that came costs more.
  const fields: Headers = {}
  for (const name of Object.keys(headers)) {
    // Of an object that is no field.
    if (name === '__proto__') continue
    if (!HOP_BY_HOP.has(name) && !nominated?.has(name)) fields[name] = headers[name]
  }
  if (via !== undefined) fields.via = fields.via ? `${fields.via}, 1.1 ${via}` : `1.1 ${via}`
  return fields
}

/** Makes of several lines of a field one, but for Set-Cookie: Node's HTTP/2 throws at some that come twice. */
export function toHttp2(headers: Headers): Headers {
  for (const [name, value] of Object.entries(headers)) {
    if (Array.isArray(value) && name !== 'set-cookie') headers[name] = value.join(', ')
  }
  return headers
}

/**
 * Path and query for the backend: the client's without its first `strip` segments and with `rewritePrefix`
 * in their place, otherwise byte for byte. Segments are counted, not compared, because the router matched
 * them decoded. Returns undefined where the path's dots would lead a backend that resolves them out of
 * `rewritePrefix`.
 */
export function rewritePath(
  url: string,
  strip: number,
  rewritePrefix: string,
  joinsSlashes = false,
): string | undefined {
  const rest = strip === 0 ? url : url.slice(endOfSegments(url, strip, joinsSlashes))
  if (rewritePrefix === '' || rewritePrefix === '/') return rest.startsWith('/') ? rest : `/${rest}`
  if (climbsOut(rest)) return undefined
  return rest.startsWith('/') && rewritePrefix.endsWith('/')
    ? rewritePrefix + rest.slice(1)
    : rewritePrefix + rest
}

function climbsOut(rest: string): boolean {
  const path = rest.split('?', 1)[0] as string
  if (!path.includes('.') && !/%2e/i.test(path)) return false
  let depth = 0
  // Backends differ in what separates segments once it is decoded; whatever might, does here.
  for (const segment of path.replaceAll(/%2e/gi, '.').split(/[/\\]|%2f|%5c/i)) {
    if (segment === '..') depth--
    else if (segment !== '' && segment !== '.') depth++
    if (depth < 0) return true
  }
  return false
}
