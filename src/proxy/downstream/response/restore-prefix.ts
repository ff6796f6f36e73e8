import type { Headers } from '../../http/fields.js'

export interface RestoreOptions {
  /** The prefix that was removed from the client's path, see `prefixOf`. */
  prefix: string
  /** The path that the backend gets in place of the prefix. */
  rewritePrefix: string
  /** Host and port of the backend, followed by the hosts under which clients reach the gateway. */
  hosts: readonly (string | undefined)[]
  /** The scheme of the backend's URL. */
  scheme: string
}

/**
 * Puts the prefix back into the fields of a response that name a path: Location, Content-Location, Refresh, and the Path
 * of cookies. Paths that have the prefix already, and those of other servers, stay as they are.
 * @param headers changed in place
 */
export function restorePrefix(headers: Headers, options: RestoreOptions): void {
  for (const name of ['location', 'content-location']) {
    const value = headers[name]
    if (typeof value === 'string') headers[name] = restoreLocation(value, options)
  }
  const { refresh } = headers
  const cookies = headers['set-cookie']
  if (typeof refresh === 'string') {
    headers.refresh = refresh.replace(
      /^(\s*\d+\s*[;,]\s*url\s*=\s*["']?)([^"']*)/i,
      (_all, before: string, url: string) => before + restoreLocation(url, options),
    )
  }
  if (typeof cookies === 'string') headers['set-cookie'] = restoreCookie(cookies, options)
  else if (cookies) headers['set-cookie'] = cookies.map((cookie) => restoreCookie(cookie, options))
}

function restoreLocation(location: string, options: RestoreOptions): string {
  if (location.startsWith('/') && !location.startsWith('//'))
    return restorePath(location, options) ?? location
  const [, scheme = '', authority, rest = ''] =
    /^(?:(https?):)?\/\/([^/?#\\]*)([/?#].*)?$/i.exec(location) ?? []
  if (authority === undefined) return location
  const host = hostIn(authority, scheme)
  const [own, ...ours] = hosts(options)
  // A URL with another scheme means another server. A redirect from http to https, rewritten, would lead the client
  // back here.
  const isBackends = host === own && (scheme === '' || scheme.toLowerCase() === options.scheme)
  if (!isBackends && !ours.includes(host)) return location
  const path = restorePath(rest.startsWith('/') ? rest : `/${rest}`, options)
  if (path === undefined) return location
  // Clients must not learn the backend's address.
  if (isBackends) return path
  return `${scheme && `${scheme}:`}//${authority}${path}`
}

function hosts({ hosts }: RestoreOptions): (string | undefined)[] {
  return hosts.map((host) => host && hostIn(host, ''))
}

/** A host and its port in one spelling, without the default port of the scheme. */
function hostIn(authority: string, scheme: string): string {
  const host = authority.toLowerCase()
  if (scheme.toLowerCase() === 'https') return host.replace(/:443$/, '')
  return host.replace(scheme === '' ? /:(80|443)$/ : /:80$/, '')
}

/** A backend's path as clients see it; undefined where the path already has the prefix, or clients cannot reach it. */
function restorePath(path: string, { prefix, rewritePrefix }: RestoreOptions): string | undefined {
  if (rewritePrefix !== '' ? !isUnder(path, rewritePrefix) : isUnder(path, prefix)) return undefined
  const restored = prefix + path.slice(rewritePrefix.length)
  // A client chooses how the prefix is written. With two slashes at the start, the text after them would be read as a
  // host.
  return /^\/[/\\]/.test(restored) ? undefined : restored
}

function restoreCookie(cookie: string, options: RestoreOptions): string {
  // Clients drop a cookie with this name prefix unless its path is "/".
  if (/^\s*__host-/i.test(cookie)) return cookie
  return cookie.replace(/(;\s*path\s*=\s*)([^;]*)/gi, (all, before: string, given: string) => {
    const path = given.trim()
    const { prefix, rewritePrefix } = options
    // The cookie covers more paths than the backend gets requests for.
    if (path === '/' || (path !== '' && isUnder(rewritePrefix, path))) return before + prefix
    const restored = path.startsWith('/') ? restorePath(path, options) : undefined
    return restored === undefined ? all : before + restored
  })
}

function isUnder(path: string, base: string): boolean {
  return path.startsWith(base) && /^([/?#]|$)/.test(path.slice(base.length))
}
