import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { FieldLines, Headers } from '../src/adapters/assignment.js'
import { REQUEST_ID } from './request-id.js'

/** Fields that concern one connection only, RFC 9110 section 7.6.1 and what is left over from before it. */
const HOP_BY_HOP = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
])

/** Not passed on as they came: asked of us by the client, or said anew. */
const OURS = new Set([
  ...HOP_BY_HOP,
  'expect',
  'forwarded',
  'host',
  'proxy-authorization',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  REQUEST_ID,
])

export interface ForwardingOptions {
  /** Whether X-Forwarded-* and Forwarded of the request are kept, the addresses appended to, or replaced. */
  trustProxy: boolean
  /** What we call ourselves in Via. */
  via: string
  /** What the request is called. */
  requestId: string
}

/** The request's header fields as a backend shall see them; Host, which depends on the backend, is left open. */
export function toBackend(
  raw: IncomingMessage,
  host: string | undefined,
  { trustProxy, via, requestId }: ForwardingOptions,
): FieldLines {
  const { headers } = raw
  const nominated = nominatedBy(headers.connection)
  const lines: FieldLines = ['host', '']
  for (const name in headers) {
    if (OURS.has(name) || nominated?.includes(name)) continue
    // Pseudo-fields of HTTP/2 are no fields.
    if (name.startsWith(':') || (!trustProxy && name.startsWith('x-forwarded-'))) continue
    const value = headers[name]
    if (typeof value === 'string') lines.push(name, value)
    else for (const line of value ?? []) lines.push(name, line)
  }
  lines.push(REQUEST_ID, requestId)
  const given = (name: string) => (nominated?.includes(name) ? undefined : headers[name])
  const trusted = (name: string) => (trustProxy ? given(name) : undefined)

  // RFC 9110 section 7.6.3.
  const earlierVia = given('via')
  const passed = `${raw.httpVersion} ${via}`
  lines.push('via', earlierVia ? `${earlierVia}, ${passed}` : passed)

  // An IPv4 address as a listener for both families has it.
  const address = raw.socket.remoteAddress ?? 'unknown'
  const from = address.startsWith('::ffff:') ? address.replace(/^::ffff:(?=\d+\.)/, '') : address
  const proto = (raw.socket as TLSSocket).encrypted ? 'https' : 'http'
  const earlier = trusted('x-forwarded-for')
  lines.push('x-forwarded-for', earlier ? `${earlier}, ${from}` : from)
  lines.push('x-forwarded-proto', String(trusted('x-forwarded-proto') || proto))
  const forwardedHost = trusted('x-forwarded-host') || host
  if (forwardedHost !== undefined) lines.push('x-forwarded-host', String(forwardedHost))
  // RFC 7239 section 4: what is no token is quoted, an IPv6 address bracketed as well.
  let forwarded = `for=${from.includes(':') ? `"[${from}]"` : from};proto=${proto}`
  if (host !== undefined) forwarded += `;host="${host}"`
  const earlierForwarded = trusted('forwarded')
  lines.push('forwarded', earlierForwarded ? `${earlierForwarded}, ${forwarded}` : forwarded)
  return lines
}

/** The fields that a Connection field names as being of that connection only; undefined where there are none. */
function nominatedBy(connection: string | string[] | undefined): string[] | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined
  // More than one line of it comes as a list.
  return String(connection)
    .split(',')
    .map((name) => name.trim().toLowerCase())
}

/** Counts Max-Forwards of an OPTIONS down; false where the request ends here. RFC 9110 section 7.6.2. */
export function countForward({ headers }: IncomingMessage): boolean {
  const left = String(headers['max-forwards'] ?? '')
  if (!/^\d+$/.test(left)) return true
  const hops = BigInt(left)
  headers['max-forwards'] = String(hops - 1n)
  return hops > 0n
}

/** The response's header fields as a client shall see them. */
export function toClient(headers: Headers, via: string): Headers {
  const nominated = nominatedBy(headers.connection)
  // A new object: to delete from the one that came costs more.
  const fields: Headers = {}
  for (const name of Object.keys(headers)) {
    // Of an object that is no field.
    if (name === '__proto__') continue
    if (!HOP_BY_HOP.has(name) && !nominated?.includes(name)) fields[name] = headers[name]
  }
  const passed = `1.1 ${via}`
  fields.via = fields.via ? `${fields.via}, ${passed}` : passed
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
export function rewritePath(url: string, strip: number, rewritePrefix: string): string | undefined {
  const rest = withoutSegments(url, strip)
  if (rewritePrefix === '' || rewritePrefix === '/') return rest.startsWith('/') ? rest : `/${rest}`
  if (climbsOut(rest)) return undefined
  return rest.startsWith('/') && rewritePrefix.endsWith('/')
    ? rewritePrefix + rest.slice(1)
    : rewritePrefix + rest
}

function withoutSegments(url: string, count: number): string {
  if (count === 0) return url
  const query = url.indexOf('?')
  const end = query === -1 ? url.length : query
  let index = 0
  for (let i = 0; i < count; i++) {
    index = url.indexOf('/', index + 1)
    if (index === -1 || index > end) return url.slice(end)
  }
  return url.slice(index)
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
