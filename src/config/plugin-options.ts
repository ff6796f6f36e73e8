import type { Registry } from 'prom-client'
import type { BackendStore } from '../balancer/state/store.js'
import type { TrustSetting } from '../proxy/http/trust.js'
import type { PoolOptions } from './pool-options.js'
import type { PoolSettings } from './settings.js'

/** The methods of a prom-client registry that are used. */
export type MetricsRegistry = Pick<Registry, 'registerMetric' | 'getSingleMetric'>

/** Options of the plugin. Each is optional; a setting of the pool has the default of its environment variable. */
export interface LeastwiseOptions extends PoolOptions {
  /** Name of the pool, which is unique in the app: `app.balancers.get(name)`. `default` by default. */
  name?: string | undefined
  /**
   * Path under which requests are proxied. It is taken off before a request is forwarded. By default every path is proxied
   * that no other route takes.
   */
  prefix?: string
  /** Path that is put in the place of the prefix; nothing by default. */
  rewritePrefix?: string | undefined
  /**
   * Whether the prefix is put back into Location, Content-Location, Refresh and the Path of cookies; true by default. The
   * name of this option is that of @fastify/http-proxy.
   */
  internalRewriteLocationHeader?: boolean | undefined
  /** Methods that are proxied; by default all that Node knows but for CONNECT and TRACE. */
  methods?: readonly string[] | undefined
  /** Constraints of the proxied routes, as Fastify has them for any route: `host`, `version`, and the app's own. None by default. */
  constraints?: Readonly<Record<string, unknown>> | undefined
  /** Who answers errors on proxied routes: `own`, the default, for leastwise, or `app` for the error handler of the app. */
  errors?: ErrorsBy | undefined
  /**
   * Paths whose upgrades another listener of the server answers, as `/socket.io` for socket.io. Where a pool proxies every
   * path and this is left out, the other listeners are asked first.
   */
  foreignUpgrades?: readonly string[] | undefined
  /** The admin API as routes of this app; there is none by default. */
  admin?:
    | {
        /** `/admin` by default. */
        prefix?: string | undefined
        /** Bearer token. Required: the app's port is open to whoever reaches it. */
        token: string | undefined
      }
    | undefined
  /** Whether each proxied request is logged in one line, besides what the app logs itself; false by default. */
  accessLog?: boolean | undefined
  /** A registry of prom-client that gets the pool's metrics, besides the `/metrics` of its admin API; none by default. */
  metrics?: MetricsRegistry | undefined
  /** Where registered backends and the policy are kept across restarts, as `stateFile(path)`; nowhere by default. */
  store?: BackendStore | undefined
}

/** Who answers errors on proxied routes. */
export type ErrorsBy = 'own' | 'app'

/** The options after their check, with defaults filled in. */
export interface ParsedOptions {
  name: string
  prefix: string
  rewritePrefix: string
  methods: readonly string[] | undefined
  constraints: Readonly<Record<string, unknown>>
  errors: ErrorsBy
  foreignUpgrades: readonly string[] | undefined
  internalRewriteLocationHeader: boolean
  admin: { prefix: string; token: string } | undefined
  accessLog: boolean
  metrics: MetricsRegistry | undefined
  store: BackendStore | undefined
  /** The proxies to trust; undefined where the option was left out, because then the app's own `trustProxy` applies. */
  trustProxy: TrustSetting | undefined
  settings: PoolSettings
}
