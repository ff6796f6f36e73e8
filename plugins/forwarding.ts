import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Headers } from '../src/adapters/assignment.js'

/** Fields that concern one connection only, RFC 9110 section 7.6.1 and what is left over from before it. */
const HOP_BY_HOP = [
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]

/** Asked of us by the client and answered by us. */
const REQUEST_ONLY = [...HOP_BY_HOP, 'expect', 'proxy-authorization']

export interface ForwardingOptions {
  /** Whether X-Forwarded-* and Forwarded of the request are kept, the addresses appended to, or replaced. */
  trustProxy: boolean
  /** What we call ourselves in Via. */
  via: string
}

/** Makes the request's header fields what a backend shall see, but for Host, which depends on the backend. */
export function toBackend(
  headers: Headers,
  raw: IncomingMessage,
  host: string | undefined,
  { trustProxy, via }: ForwardingOptions,
): void {
  for (const name of REQUEST_ONLY) if (headers[name] !== undefined) headers[name] = undefined
  // RFC 9110 section 7.6.3.
  const passed = `${raw.httpVersion} ${via}`
  headers.via = headers.via ? `${headers.via}, ${passed}` : passed

  if (!trustProxy) {
    for (const name of Object.keys(headers)) {
      if (name.startsWith('x-forwarded-') || name === 'forwarded') headers[name] = undefined
    }
  }
  // An IPv4 address as a listener for both families has it.
  const from = (raw.socket.remoteAddress ?? 'unknown').replace(/^::ffff:(?=\d+\.)/, '')
  const proto = (raw.socket as TLSSocket).encrypted ? 'https' : 'http'
  const earlier = headers['x-forwarded-for']
  headers['x-forwarded-for'] = earlier ? `${earlier}, ${from}` : from
  headers['x-forwarded-proto'] ||= proto
  headers['x-forwarded-host'] ||= host
  // RFC 7239 section 4: what is no token is quoted, an IPv6 address bracketed as well.
  let forwarded = `for=${from.includes(':') ? `"[${from}]"` : from};proto=${proto}`
  if (host !== undefined) forwarded += `;host="${host}"`
  headers.forwarded = headers.forwarded ? `${headers.forwarded}, ${forwarded}` : forwarded
}

/** Counts Max-Forwards of an OPTIONS down; false where the request ends here. RFC 9110 section 7.6.2. */
export function countForward({ headers }: IncomingMessage): boolean {
  const left = String(headers['max-forwards'] ?? '')
  if (!/^\d+$/.test(left)) return true
  const hops = BigInt(left)
  headers['max-forwards'] = String(hops - 1n)
  return hops > 0n
}

/** Makes the response's header fields what a client shall see. */
export function toClient(headers: Headers, via: string): void {
  const { connection } = headers
  if (connection !== undefined) {
    // More than one line of it comes as a list.
    for (const name of String(connection).split(',')) delete headers[name.trim().toLowerCase()]
  }
  for (const name of HOP_BY_HOP) delete headers[name]
  const passed = `1.1 ${via}`
  headers.via = headers.via ? `${headers.via}, ${passed}` : passed
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
