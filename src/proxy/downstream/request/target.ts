import type { IncomingMessage } from 'node:http'
import { isHost } from './framing.js'

/** The property of a request whose router is given another target: the target as it came. */
const TARGET: unique symbol = Symbol('leastwise.target')

type Targeted = IncomingMessage & { [TARGET]?: string }

/** The target of a request in its parts. */
export interface Target {
  /** Path and query, byte for byte; or `*`; empty for a URL without either. */
  path: string
  /** Host and port of a target that is a URL, which take precedence over the Host field. RFC 9112 section 3.2.2. */
  authority: string | undefined
}

/**
 * The URL by which the router finds the route: Fastify's `rewriteUrl` of the stand-alone gateway, where everything is proxied.
 * The request is forwarded with the target that it came with. A malformed target stays, and the router refuses it.
 */
export function routableUrl(request: IncomingMessage): string {
  const url = request.url as string
  // This shortcut covers most targets.
  if (url.startsWith('/') && !url.includes('%')) return url
  const target = parseTarget(url)
  if (!target || !isWellFormed(target.path)) return url
  if (target.authority === undefined && target.path !== '*' && !target.path.includes('%')) return url
  keepTarget(request)
  return '/'
}

/** Keeps the target of a request, before the router is given another one. */
export function keepTarget(request: IncomingMessage): void {
  ;(request as Targeted)[TARGET] = request.url as string
}

/** The target with which a request came; undefined where it is malformed. */
export function targetOf(request: IncomingMessage): Target | undefined {
  return parseTarget((request as Targeted)[TARGET] ?? (request.url as string))
}

function parseTarget(url: string): Target | undefined {
  if (url.includes('#')) return undefined
  if (url.startsWith('/') || url === '*') return { path: url, authority: undefined }
  const [, authority, rest] = /^https?:\/\/([^/?]*)(.*)$/i.exec(url) ?? []
  if (authority === undefined || rest === undefined || !isHost(authority)) return undefined
  return { path: rest.startsWith('?') ? `/${rest}` : rest, authority }
}

/** Whether each % begins an escape. The escapes need not decode to UTF-8 (RFC 3986 section 2.5). */
function isWellFormed(path: string): boolean {
  return !/%(?![0-9A-Fa-f]{2})/.test(path.split('?', 1)[0] as string)
}
