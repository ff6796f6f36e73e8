import type { IncomingMessage } from 'node:http'
import { isHost } from './framing.js'

/** Targets that a router could not find its way with, as they came. */
const exact = new WeakMap<object, string>()

/** A request's target, taken apart. */
export interface Target {
  /** Path and query, byte for byte; `*`; or empty, which only a whole URL may be. */
  path: string
  /** Where the target was a whole URL: what it names goes before the Host field. RFC 9112 section 3.2.2. */
  authority: string | undefined
}

/**
 * The URL to route a request by: its path. For Fastify's `rewriteUrl`, where everything is proxied; the
 * request still is proxied as it came. Left alone are targets that are malformed, which the router refuses.
 */
export function routableUrl(request: IncomingMessage): string {
  const url = request.url as string
  // As most are.
  if (url.startsWith('/') && !url.includes('%')) return url
  const target = parseTarget(url)
  if (!target || !wellFormed(target.path)) return url
  if (target.authority === undefined && target.path !== '*' && !target.path.includes('%')) return url
  exact.set(request, url)
  return '/'
}

/** The target of a request, as it came; undefined for one that is none. */
export function targetOf(request: IncomingMessage): Target | undefined {
  return parseTarget(exact.get(request) ?? (request.url as string))
}

function parseTarget(url: string): Target | undefined {
  if (url.includes('#')) return undefined
  if (url.startsWith('/') || url === '*') return { path: url, authority: undefined }
  const [, authority, rest] = /^https?:\/\/([^/?]*)(.*)$/i.exec(url) ?? []
  if (authority === undefined || rest === undefined || !isHost(authority)) return undefined
  return { path: rest.startsWith('?') ? `/${rest}` : rest, authority }
}

/** Whether each % starts an escape; that they decode to UTF-8 is nobody's rule (RFC 3986 section 2.5). */
function wellFormed(path: string): boolean {
  return !/%(?![0-9A-Fa-f]{2})/.test(path.split('?', 1)[0] as string)
}
