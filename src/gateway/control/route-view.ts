import type { RouteView } from '../../admin/contract/routes.js'
import type {
  AuthConfig,
  HeaderChanges,
  RateLimitConfig,
  RouteConfig,
} from '../../config/file/gateway-config.js'
import type { RouteCounters } from '../../telemetry/metrics/route-counters.js'

/** Returns a route as the admin API shows it. Values that may be secrets are left out. */
export function routeViewOf(route: RouteConfig, counters: RouteCounters): RouteView {
  const { name, match, pools, mirror, redirect, stripPrefix, rewritePrefix, headers } = route
  return {
    name,
    match: {
      host: match.host ?? null,
      path: match.path === '' ? '/' : match.path,
      methods: match.methods ? [...match.methods] : null,
      headers: { ...match.headers },
      query: { ...match.query },
    },
    pools: pools.map(({ pool, weight }) => ({ pool, weight })),
    mirror: mirror ? { pool: mirror.pool, percent: mirror.percent } : null,
    redirect: redirect ? { status: redirect.status, to: redirect.to } : null,
    stripPrefix,
    rewritePrefix,
    headers: { request: changedNames(headers.request), response: changedNames(headers.response) },
    plugins: pluginsOf(route),
    limits: limitsOf(route),
    ...countsOf(counters),
  }
}

/** Returns the names of the fields that a route changes, without their values, which may be secrets. */
export function changedNames({ set, add, remove }: HeaderChanges): RouteView['headers']['request'] {
  return { set: Object.keys(set), add: Object.keys(add), remove: [...remove] }
}

function pluginsOf({ allow, deny, rateLimit, auth, cors, compress }: RouteConfig): RouteView['plugins'] {
  return {
    allow: allow ? [...allow] : null,
    deny: [...deny],
    rateLimit: rateLimit ? { ...rateLimit, by: byText(rateLimit) } : null,
    auth: auth ? kindOf(auth) : null,
    cors: cors ? [cors.origin].flat() : null,
    compress,
  }
}

function byText({ by }: RateLimitConfig): string {
  return by === 'ip' ? by : `header:${by.header}`
}

function kindOf(auth: AuthConfig): 'jwt' | 'basic' | 'apiKey' {
  return 'jwt' in auth ? 'jwt' : 'basic' in auth ? 'basic' : 'apiKey'
}

function limitsOf({ maxBody, retries, hedge, timeouts }: RouteConfig): RouteView['limits'] {
  return {
    maxBody: maxBody ?? null,
    retries: retries ?? null,
    hedge: hedge === undefined ? null : String(hedge),
    connect: timeouts.connect ?? null,
    response: timeouts.response ?? null,
    body: timeouts.body ?? null,
  }
}

function countsOf(counters: RouteCounters): Pick<RouteView, 'requests' | 'refused' | 'latency'> {
  const { total, duration, refused } = counters
  const milliseconds = (part: number) => {
    const seconds = duration.quantile(part)
    return seconds === undefined ? null : 1000 * seconds
  }
  return {
    requests: {
      total,
      ok: counters.requests('ok'),
      failed: counters.requests('failed'),
      refused: counters.requests('refused'),
      cancelled: counters.requests('cancelled'),
    },
    refused: Object.fromEntries(refused),
    latency: {
      mean: total === 0 ? null : (1000 * duration.sum) / total,
      p50: milliseconds(0.5),
      p99: milliseconds(0.99),
    },
  }
}
