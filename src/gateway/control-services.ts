import type { FastifyBaseLogger } from 'fastify'
import type { Registry } from 'prom-client'
import type { KeySet } from '../auth/keys/key-set-source.js'
import { KeySets } from '../auth/keys/key-sets.js'
import type { GatewayConfig } from '../config/file/gateway-config.js'
import { MemoryCounter } from '../limits/memory-counter.js'
import type { PatientCounter } from '../limits/patient-counter.js'
import type { RateCountReader, RateLimitCounter } from '../limits/rate-limit-counter.js'
import {
  registerMirrorsIn,
  registerRateLimitsIn,
  registerRoutesIn,
} from '../telemetry/metrics/route-families.js'
import { RouteMeter } from '../telemetry/metrics/route-meter.js'
import { loggedCounter } from './traffic/logged-counter.js'
import { countedRoutes, type RouteServices } from './traffic/route-services.js'

/**
 * What the routes of all threads use together: it is in the main thread, and outlives each configuration.
 */
export class ControlServices implements RouteServices {
  readonly keySets: KeySets
  readonly counter: PatientCounter
  /** What `counter` has counted. */
  readonly counts: RateCountReader
  readonly meter = new RouteMeter()
  readonly #metrics: Registry | undefined

  /**
   * @param metrics gets the metrics of routes
   * @param onKeys called when the keys of a URL have changed; undefined where there are none any more
   * @param counts counts for rate limits; by default in memory
   */
  constructor(
    log: FastifyBaseLogger,
    metrics: Registry | undefined,
    onKeys?: (url: string, keySet: KeySet | undefined) => void,
    counts: RateLimitCounter & RateCountReader = new MemoryCounter(),
  ) {
    this.#metrics = metrics
    this.counts = counts
    this.counter = loggedCounter(counts, log)
    this.keySets = new KeySets({ log, ...(onKeys && { onChange: onKeys }) })
  }

  /** Takes over the routes of the configuration that is in force now. Routes that stay keep their counts. */
  follow({ routes = [] }: Pick<GatewayConfig, 'routes'>): void {
    this.meter.keep(countedRoutes(routes))
    for (const { name, rateLimit } of routes) this.meter.of(name).isLimited = rateLimit !== undefined
    this.keySets.sync(
      routes.flatMap(({ auth }) =>
        auth && 'jwt' in auth && 'jwks' in auth.jwt.keys ? [auth.jwt.keys.jwks] : [],
      ),
    )
    if (routes.length === 0 || !this.#metrics) return
    // What is registered already stays as it is.
    registerRoutesIn(this.#metrics, this.meter)
    if (routes.some(({ mirror }) => mirror)) registerMirrorsIn(this.#metrics, this.meter)
    if (routes.some(({ rateLimit }) => rateLimit)) registerRateLimitsIn(this.#metrics, this.meter)
  }

  close(): void {
    this.keySets.close()
  }
}
