import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { systemClock } from '../src/balancer/time/clock.js'
import type { RateLimitConfig } from '../src/config/file/gateway-config.js'
import { PatientCounter } from '../src/limits/patient-counter.js'
import type { RateCount, RateLimitCounter } from '../src/limits/rate-limit-counter.js'
import { requestKey } from '../src/limits/request-key.js'
import { RateLimitedError } from '../src/proxy/downstream/errors/errors.js'
import { clientAddressOf } from '../src/proxy/downstream/fields/client-address.js'
import { routeOf } from '../src/proxy/http/route.js'
import type { Trust } from '../src/proxy/http/trust.js'

export interface RateLimitOptions {
  limit: RateLimitConfig
  /** Counts for all scopes. It lives longer than the app, so that a new configuration keeps the counts. */
  counter: RateLimitCounter
  /** Which proxies are trusted to say where a request came from. */
  trust: Trust
  /** The route of a request, if another than the one that was assigned to it. */
  routeName?(request: FastifyRequest): string
}

/** A request goes on uncounted after this time without a count. */
const PATIENCE_MS = 250

/**
 * Limits the requests of each client to each route of a scope, in windows of fixed length. A request that could not be
 * counted is let through.
 */
export const rateLimitPlugin = fp<RateLimitOptions>(
  async (scope, { limit, counter, trust, routeName = nameOfRoute }) => {
    const { default: rateLimit } = await import('@fastify/rate-limit')
    const { max, window } = limit
    const patient = new PatientCounter({
      counter,
      clock: systemClock,
      patience: PATIENCE_MS,
      onUncounted(err, requests) {
        scope.log.warn(
          { event: 'rate limit not counted', requests, err },
          'requests pass without being counted',
        )
      },
    })

    /** The store that the plugin asks. An error of it is left out by `skipOnError`. */
    class Store {
      incr(key: string, done: (error: Error | null, count?: RateCount) => void): void {
        patient.increment(key, window, max, (count) =>
          count ? done(null, count) : done(new Error('not counted')),
        )
      }

      child(): Store {
        return this
      }
    }

    await scope.register(rateLimit, {
      global: false,
      max,
      timeWindow: window,
      store: Store,
      skipOnError: true,
      keyGenerator(request) {
        return requestKey(routeName(request), limit, request.headers, () => clientAddressOf(request, trust))
      },
      errorResponseBuilder: (_request, { ttl }) => new RateLimitedError(Math.ceil(ttl / 1000)),
    })
    // A hook of the scope runs before those that are added later, and hooks of single routes would run after all of them.
    scope.addHook('onRequest', scope.rateLimit())
  },
  { name: 'leastwise-rate-limit', fastify: '5.x' },
)

function nameOfRoute(request: FastifyRequest): string {
  return routeOf(request.raw)?.name ?? ''
}
