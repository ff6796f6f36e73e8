import { settings } from '../settings.js'
import type { AuthConfig, GatewayConfig, RouteConfig } from './gateway-config.js'

/** The configuration in the words of the file. */
export interface ConfigView {
  listen: Record<string, unknown>[]
  workers: number | 'auto'
  admin: Record<string, unknown> | 'off'
  pools: Record<string, Record<string, unknown>>
  routes?: Record<string, unknown>[]
}

/**
 * What is in force, with its defaults, in the words of the file. Secrets are left out; the files that have them are named
 * as in the document.
 * @param document the document as it is written; what is from the environment stays `${NAME}`
 */
export function configView(config: GatewayConfig, document?: unknown): ConfigView {
  const view: ConfigView = {
    listen: config.listen.map((listener) => ({ ...listener })),
    workers: config.workers,
    admin: config.admin === 'off' ? 'off' : { host: config.admin.host, port: config.admin.port },
    pools: Object.fromEntries(config.pools.map(({ name, settings: values }) => [name, poolView(values)])),
    ...(config.routes && { routes: config.routes.map(routeView) }),
  }
  return withWritten(view, document) as ConfigView
}

function poolView(values: object): Record<string, unknown> {
  const shown = Object.entries(values).filter(
    ([name]) => !(settings as Record<string, { secret?: boolean }>)[name]?.secret,
  )
  return Object.fromEntries(shown)
}

function routeView(route: RouteConfig): Record<string, unknown> {
  const { name, match, pools, mirror, redirect, headers, rateLimit, auth, timeouts, ...rest } = route
  const [pool] = pools
  return defined({
    name,
    match: defined({ ...match, path: match.path || '/' }),
    pool: pools.length === 1 ? pool?.pool : undefined,
    split: pools.length > 1 ? Object.fromEntries(pools.map((part) => [part.pool, part.weight])) : undefined,
    mirror,
    redirect,
    ...rest,
    headers,
    rateLimit: rateLimit && {
      ...rateLimit,
      by: rateLimit.by === 'ip' ? 'ip' : `header:${rateLimit.by.header}`,
    },
    auth: auth && authView(auth),
    timeouts: defined(timeouts),
  })
}

/** Credentials without their secrets. */
function authView(auth: AuthConfig): Record<string, unknown> {
  if ('jwt' in auth) {
    const { keys, ...rest } = auth.jwt
    return { jwt: { ...('jwks' in keys && { jwks: keys.jwks }), ...rest } }
  }
  if ('basic' in auth) {
    const { users: _, ...rest } = auth.basic
    return { basic: rest }
  }
  const { keys: _, ...rest } = auth.apiKey
  return { apiKey: rest }
}

function defined(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

/**
 * Puts back into a part of the configuration what the document has instead of secrets: names of files, and of variables of
 * the environment.
 */
export function withWritten(view: unknown, written: unknown): unknown {
  if (typeof written === 'string') return written.includes('${') ? written : view
  if (Array.isArray(view) && Array.isArray(written))
    return view.map((item, i) => withWritten(item, written[i]))
  if (!isObject(view) || !isObject(written)) return view
  const copy: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(view)) copy[name] = withWritten(value, written[name])
  for (const [name, value] of Object.entries(written))
    if (name.endsWith('File') && typeof value === 'string') copy[name] = value
  return copy
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
