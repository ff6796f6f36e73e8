import type { Registry } from 'prom-client'
import type { BackendStore } from '../balancer/state/store.js'
import type { PoolHandle } from '../balancer/threads/messages.js'
import type { TrustSetting } from '../proxy/http/trust.js'
import type { PoolOptions } from './pool-options.js'
import type { PoolSettings } from './settings.js'
import type { ThreadOptions } from './thread-options.js'

/** The methods of a prom-client registry that leastwise calls. */
export type MetricsRegistry = Pick<Registry, 'registerMetric' | 'getSingleMetric'>

/** Options of the plugin. All are optional; the default of a pool's setting is that of its environment variable. */
export interface LeastwiseOptions extends PoolOptions, ThreadOptions {
  /** Name of the pool, unique in the app, as in `app.balancers.get(name)`; `default` by default. */
  name?: string | undefined
  /**
   * Path under which requests are proxied. The plugin removes this prefix from the path before it forwards a request.
   * By default all paths are proxied that no other route of the app matches.
   */
  prefix?: string
  /** Path that replaces the prefix in forwarded requests; empty by default. */
  rewritePrefix?: string | undefined
  /**
   * True, the default, if the plugin puts the prefix back into the headers Location, Content-Location and Refresh and
   * into the Path of cookies. The name of this option is the same as in @fastify/http-proxy.
   */
  internalRewriteLocationHeader?: boolean | undefined
  /** HTTP methods that are proxied; by default all methods that Node knows except CONNECT and TRACE. */
  methods?: readonly string[] | undefined
  /**
   * Constraints of the proxied routes, as any Fastify route can have them: `host`, `version`, and those that the app
   * adds. There are none by default.
   */
  constraints?: Readonly<Record<string, unknown>> | undefined
  /**
   * Selects what responds to errors on proxied routes: `own`, the default, for leastwise, or `app` for the app's error
   * handler.
   */
  errors?: ErrorsBy | undefined
  /**
   * Paths whose upgrade requests another listener of the server handles, for example `/socket.io` for socket.io. If a
   * pool proxies every path and this option is left out, the other listeners are asked first.
   */
  foreignUpgrades?: readonly string[] | undefined
  /** Adds the admin API to the routes of this app; by default there is no admin API. */
  admin?:
    | {
        /** Path of the admin API; `/admin` by default. */
        prefix?: string | undefined
        /**
         * Bearer token of the admin API. It is required because everybody who can reach the app's port can reach the
         * API.
         */
        token: string | undefined
      }
    | undefined
  /** True if each proxied request is logged in one line, in addition to the app's own log lines; false by default. */
  accessLog?: boolean | undefined
  /**
   * A prom-client registry to which the pool's metrics are added. They are also in `/metrics` of the admin API. There
   * is none by default.
   */
  metrics?: MetricsRegistry | undefined
  /**
   * Store that keeps registered backends and the policy across restarts, for example `stateFile(path)`; none by
   * default.
   */
  store?: BackendStore | undefined
}

/**
 * Selects what responds to errors on proxied routes: leastwise itself (`own`), or the error handler of the app (`app`).
 */
export type ErrorsBy = 'own' | 'app'

/** The options after they were checked, with defaults filled in. */
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
  workers: number
  shared: PoolHandle | undefined
  /**
   * The proxies that are trusted; undefined if the option was left out, because then the app's own `trustProxy`
   * applies.
   */
  trustProxy: TrustSetting | undefined
  settings: PoolSettings
}
