import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import type { Headers } from '../../http/fields.js'
import { targetOf } from './target.js'

/** How paths of clients and of backends belong together. */
export interface PathMapping {
  /** Segments of a client's path that are the scope's prefix, and are taken off. */
  segments: number
  /** Put in their place. */
  rewritePrefix: string
  /** Whether the app's router takes several slashes for one. */
  joinsSlashes: boolean
}

/** Whether the router of an app takes several slashes for one. */
export function joinsSlashes({ initialConfig }: FastifyInstance): boolean {
  const { routerOptions, ignoreDuplicateSlashes } = initialConfig
  return routerOptions?.ignoreDuplicateSlashes === true || ignoreDuplicateSlashes === true
}

/** What the client's path had before the part that a backend sees, as the client wrote it. */
export function prefixOf(
  raw: IncomingMessage,
  { segments, rewritePrefix, joinsSlashes }: PathMapping,
): string {
  if (segments === 0) return ''
  const path = targetOf(raw)?.path ?? ''
  let prefix = path.slice(0, endOfSegments(path, segments, joinsSlashes))
  // In the Location of an answer two slashes at the start would be followed by the name of a host.
  if (joinsSlashes) prefix = prefix.replaceAll(/\/{2,}/g, '/')
  return prefix === rewritePrefix ? '' : prefix
}

/** Where the first segments of a path end. */
export function endOfSegments(path: string, count: number, joinsSlashes: boolean): number {
  const query = path.indexOf('?')
  const end = query === -1 ? path.length : query
  let index = 0
  for (let i = 0; i < count; i++) {
    if (joinsSlashes) while (path[index + 1] === '/') index++
    index = path.indexOf('/', index + 1)
    if (index === -1 || index > end) return end
  }
  return index
}

export interface Restoring {
  /** What the client's path had before, see {@link prefixOf}. */
  prefix: string
  /** What the backend's path has in its place. */
  rewritePrefix: string
  /** What an address of this backend, or of ours, may have as its host and port. */
  hosts: readonly (string | undefined)[]
  /** The scheme of the first of those. */
  scheme: string
}

/**
 * Puts the prefix back into where an answer leads: Location, Content-Location and Refresh, and the Path of cookies. A
 * backend that knows of the prefix has it there already, and what leads elsewhere is left as it is.
 */
export function restorePrefix(headers: Headers, restoring: Restoring): void {
  for (const name of ['location', 'content-location']) {
    const value = headers[name]
    if (typeof value === 'string') headers[name] = restoreLocation(value, restoring)
  }
  const { refresh } = headers
  const cookies = headers['set-cookie']
  if (typeof refresh === 'string') {
    headers.refresh = refresh.replace(
      /^(\s*\d+\s*[;,]\s*url\s*=\s*["']?)([^"']*)/i,
      (_all, before: string, url: string) => before + restoreLocation(url, restoring),
    )
  }
  if (typeof cookies === 'string') headers['set-cookie'] = restoreCookie(cookies, restoring)
  else if (cookies) headers['set-cookie'] = cookies.map((cookie) => restoreCookie(cookie, restoring))
}

function restoreLocation(location: string, restoring: Restoring): string {
  if (location.startsWith('/') && !location.startsWith('//'))
    return restorePath(location, restoring) ?? location
  const [, scheme = '', authority, rest = ''] =
    /^(?:(https?):)?\/\/([^/?#\\]*)([/?#].*)?$/i.exec(location) ?? []
  if (authority === undefined) return location
  const host = hostIn(authority, scheme)
  const [own, ...ours] = hosts(restoring)
  // With another scheme it is another server: with the prefix put back the client would be sent here again and again.
  const isBackends = host === own && (scheme === '' || scheme.toLowerCase() === restoring.scheme)
  if (!isBackends && !ours.includes(host)) return location
  const path = restorePath(rest.startsWith('/') ? rest : `/${rest}`, restoring)
  if (path === undefined) return location
  // The backend's own address is not the client's to know.
  if (isBackends) return path
  return `${scheme && `${scheme}:`}//${authority}${path}`
}

function hosts({ hosts }: Restoring): (string | undefined)[] {
  return hosts.map((host) => host && hostIn(host, ''))
}

/** A host and its port in one spelling, without the port that goes without saying. */
function hostIn(authority: string, scheme: string): string {
  const host = authority.toLowerCase()
  if (scheme.toLowerCase() === 'https') return host.replace(/:443$/, '')
  return host.replace(scheme === '' ? /:(80|443)$/ : /:80$/, '')
}

/** A path of a backend as clients have it; undefined where it already is one, or no client could have it. */
function restorePath(path: string, { prefix, rewritePrefix }: Restoring): string | undefined {
  if (rewritePrefix !== '' ? !isUnder(path, rewritePrefix) : isUnder(path, prefix)) return undefined
  const restored = prefix + path.slice(rewritePrefix.length)
  // A prefix that a client chose must not make another host of the first segment.
  return /^\/[/\\]/.test(restored) ? undefined : restored
}

function restoreCookie(cookie: string, restoring: Restoring): string {
  // Such a cookie has to have the path "/", or clients drop it.
  if (/^\s*__host-/i.test(cookie)) return cookie
  return cookie.replace(/(;\s*path\s*=\s*)([^;]*)/gi, (all, before: string, given: string) => {
    const path = given.trim()
    const { prefix, rewritePrefix } = restoring
    // For more paths than those that the backend gets.
    if (path === '/' || (path !== '' && isUnder(rewritePrefix, path))) return before + prefix
    const restored = path.startsWith('/') ? restorePath(path, restoring) : undefined
    return restored === undefined ? all : before + restored
  })
}

function isUnder(path: string, base: string): boolean {
  return path.startsWith(base) && /^([/?#]|$)/.test(path.slice(base.length))
}
