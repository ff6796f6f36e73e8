import type { RouteView } from '../admin/contract/routes.js'

/** Returns the requests that a route takes, in one line. */
export function matchOf({ host, path, methods, headers, query }: RouteView['match']): string {
  return [
    ...(methods ?? []).slice(0, 1).map(() => (methods as string[]).join(',')),
    `${host ?? ''}${path}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...Object.entries(query).map(([name, value]) => `?${name}=${value}`),
  ].join(' ')
}

/** Returns where a route's requests go, in one line. */
export function goalOf({
  pools,
  redirect,
  mirror,
}: Pick<RouteView, 'pools' | 'redirect' | 'mirror'>): string {
  if (redirect) return `${redirect.status} ${redirect.to}`
  const all = pools.reduce((sum, { weight }) => sum + weight, 0)
  const parts = pools.map(({ pool, weight }) =>
    pools.length === 1 ? pool : `${pool} ${((100 * weight) / all).toFixed(0)}%`,
  )
  return [...parts, ...(mirror ? [`mirror ${mirror.pool} ${mirror.percent}%`] : [])].join(', ')
}

/** Returns the plugins of a route, each in a word or two, in the order in which they see a request. */
export function pluginsOf({ allow, deny, cors, rateLimit, auth, compress }: RouteView['plugins']): string[] {
  return [
    ...(allow ? ['allow'] : []),
    ...(deny.length > 0 ? ['deny'] : []),
    ...(cors ? ['cors'] : []),
    ...(rateLimit ? ['rateLimit'] : []),
    ...(auth ? [auth] : []),
    ...(compress ? ['compress'] : []),
  ]
}
