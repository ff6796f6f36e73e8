import type { FastifyBaseLogger } from 'fastify'
import type { Registry } from 'prom-client'
import type { KeySet } from '../auth/keys/key-set-source.js'
import { KeySets } from '../auth/keys/key-sets.js'
import type { GatewayConfig } from '../config/file/gateway-config.js'
import { MemoryCounter } from '../limits/memory-counter.js'
import { registerMirrorsIn, registerRoutesIn } from '../telemetry/metrics/route-families.js'
import { RouteMeter } from '../telemetry/metrics/route-meter.js'
import { countedRoutes, type RouteServices } from './traffic/route-services.js'

/**
 * What the routes of all threads use together: it is in the main thread, and outlives each configuration.
 */
export class ControlServices implements RouteServices {
  readonly keySets: KeySets
  readonly counter = new MemoryCounter()
  readonly meter = new RouteMeter()
  readonly #metrics: Registry | undefined

  /**
   * @param metrics gets the metrics of routes
   * @param onKeys called when the keys of a URL have changed; undefined where there are none any more
   */
  constructor(
    log: FastifyBaseLogger,
    metrics: Registry | undefined,
    onKeys?: (url: string, keySet: KeySet | undefined) => void,
  ) {
    this.#metrics = metrics
    this.keySets = new KeySets({ log, ...(onKeys && { onChange: onKeys }) })
  }

  /** Takes over the routes of the configuration that is in force now. Routes that stay keep their counts. */
  follow({ routes = [] }: Pick<GatewayConfig, 'routes'>): void {
    this.meter.keep(countedRoutes(routes))
    this.keySets.sync(
      routes.flatMap(({ auth }) =>
        auth && 'jwt' in auth && 'jwks' in auth.jwt.keys ? [auth.jwt.keys.jwks] : [],
      ),
    )
    if (routes.length === 0 || !this.#metrics) return
    // What is registered already stays as it is.
    registerRoutesIn(this.#metrics, this.meter)
    if (routes.some(({ mirror }) => mirror)) registerMirrorsIn(this.#metrics, this.meter)
  }

  close(): void {
    this.keySets.close()
  }
}
