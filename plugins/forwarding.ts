import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Backend, HostHeader } from '../src/balancer/backend.js'

/** Fields that concern one connection only, RFC 9110 section 7.6.1 and what is left over from before it. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/** Asked of us by the client and answered by us; undici would refuse `expect`. */
const REQUEST_ONLY = [...HOP_BY_HOP, 'expect', 'proxy-authorization']

type Headers = Record<string | symbol, unknown>

export interface ForwardingOptions {
  hostHeader: HostHeader
  /** Whether X-Forwarded-* and Forwarded of the request are kept, the addresses appended to, or replaced. */
  trustProxy: boolean
}

/** Makes the request's header fields what a backend shall see. */
export function toBackend(
  headers: Headers,
  raw: IncomingMessage,
  backend: Backend,
  options: ForwardingOptions,
): void {
  for (const name of REQUEST_ONLY) if (headers[name] !== undefined) headers[name] = undefined
  const hostHeader = backend.hostHeader ?? options.hostHeader
  const host = raw.headers.host ?? (raw.headers[':authority'] as string | undefined)
  headers.host = hostHeader === 'client' && host ? host : backend.host

  const { trustProxy } = options
  if (!trustProxy) {
    for (const name of Object.keys(headers)) {
      if (name.startsWith('x-forwarded-') || name === 'forwarded') headers[name] = undefined
    }
  }
  const from = raw.socket.remoteAddress ?? 'unknown'
  const earlier = headers['x-forwarded-for']
  headers['x-forwarded-for'] = earlier ? `${earlier}, ${from}` : from
  headers['x-forwarded-proto'] ??= (raw.socket as TLSSocket).encrypted ? 'https' : 'http'
  headers['x-forwarded-host'] ??= host
}

/** Makes the response's header fields what a client shall see. */
export function toClient(headers: IncomingHttpHeaders): void {
  // More than one line of it comes as a list.
  const connection = headers.connection as string | string[] | undefined
  if (connection !== undefined) {
    for (const name of String(connection).split(',')) delete headers[name.trim().toLowerCase()]
  }
  for (const name of HOP_BY_HOP) delete headers[name]
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
