import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { RateLimitConfig } from '../src/config/file/gateway-config.js'
import type { PatientCounter } from '../src/limits/patient-counter.js'
import type { RateCount } from '../src/limits/rate-limit-counter.js'
import { routeOfKey } from '../src/limits/rate-limit-key.js'
import { requestKey } from '../src/limits/request-key.js'
import { RateLimitedError, RateLimitUnavailableError } from '../src/proxy/downstream/errors/errors.js'
import { clientAddressOf } from '../src/proxy/downstream/fields/client-address.js'
import { routeOf } from '../src/proxy/http/route.js'
import type { Trust } from '../src/proxy/http/trust.js'

export interface RateLimitOptions {
  limit: RateLimitConfig
  /** Counts for all scopes. It lives longer than the app, so that a new configuration keeps the counts. */
  counter: Pick<PatientCounter, 'increment'>
  /** Which proxies are trusted to say where a request came from. */
  trust: Trust
  /** The route of a request, if another than the one that was assigned to it. */
  routeName?(request: FastifyRequest): string
  /** Called for each request that could not be counted, with its route. */
  onUncounted?(route: string): void
}

/**
 * Limits the requests of each client to each route of a scope, in windows of fixed length. A request that could not be
 * counted is let through, or refused where the limit is not to fail open.
 */
export const rateLimitPlugin = fp<RateLimitOptions>(
  async (scope, { limit, counter, trust, routeName = nameOfRoute, onUncounted }) => {
    const { default: rateLimit } = await import('@fastify/rate-limit')
    const { max, window, failOpen } = limit

    /** The store that the plugin asks. An error of it is left out by `skipOnError`, and otherwise sent. */
    class Store {
      incr(key: string, done: (error: Error | null, count?: RateCount) => void): void {
        counter.increment(key, window, max, (count) => {
          if (count) {
            done(null, count)
            return
          }
          onUncounted?.(routeOfKey(key))
          done(failOpen ? UNCOUNTED : new RateLimitUnavailableError())
        })
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
      skipOnError: failOpen,
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

/** Nobody sees it, so that all requests may have the same. */
const UNCOUNTED = new Error('not counted')

function nameOfRoute(request: FastifyRequest): string {
  return routeOf(request.raw)?.name ?? ''
}
