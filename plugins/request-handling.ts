import replyFrom, { type FastifyReplyFromOptions } from '@fastify/reply-from'
import fp from 'fastify-plugin'
import type { Assignment } from '../src/proxy/context.js'
import { bodyLimitOf, takeBodiesRaw } from '../src/proxy/downstream/body/raw-bodies.js'
import { watchArrivals } from '../src/proxy/downstream/connection/arrivals.js'
import { watchConnections } from '../src/proxy/downstream/connection/idle-connections.js'
import { DOWNSTREAM } from '../src/proxy/downstream/downstream.js'
import { sendError } from '../src/proxy/downstream/errors/error-response.js'
import { watchTrailers } from '../src/proxy/downstream/host-app/app-trailers.js'
import { setBeforeHooks } from '../src/proxy/downstream/host-app/before-hooks.js'
import type { RequestHandler } from '../src/proxy/handle.js'
import { replyFromClient } from '../src/proxy/reply-from.js'
import { type LoadSheddingOptions, loadSheddingPlugin } from './load-shedding.js'

declare module 'fastify' {
  interface FastifyRequest {
    /**
     * The backend, policy and attempts of a proxied request, from its first lease on; undefined or null on every other
     * request.
     */
    assignment: Assignment | null | undefined
  }
}

export interface RequestHandlingOptions extends LoadSheddingOptions {
  handler: RequestHandler
  /** Answers errors; by default errors have the shape of the gateway's own. */
  errorHandler?: typeof sendError | undefined
  /** Longest time in milliseconds between two chunks of a body that a hook reads; 0 for any. */
  bodyTimeout: number
}

/**
 * Has a handler take the requests to all routes that are added to this scope, or to scopes in it, afterwards: its hooks
 * run before and after those of these scopes. The routes have `handler.forward` as their handler.
 */
export const requestHandlingPlugin = fp<RequestHandlingOptions>(
  async (scope, { handler, errorHandler, bodyTimeout, ...shedding }) => {
    const { server } = scope
    scope.setErrorHandler(errorHandler ?? sendError)
    scope.decorateRequest('assignment', null)
    scope.decorateRequest(DOWNSTREAM, null)
    watchArrivals(server)
    watchConnections(server)
    setBeforeHooks(scope, handler.strip)
    // This hook runs before any hook of the pool that may answer.
    scope.addHook('onRequest', handler.arrive)
    await scope.register(loadSheddingPlugin, shedding)
    // These hooks run after all hooks of the app, including those that plugins add to each route.
    scope.addHook('onRoute', (route) => {
      route.onRequest = [route.onRequest ?? [], handler.admit].flat()
    })
    scope.addHook('onResponse', handler.end)
    scope.addHook('onError', handler.fail)
    takeBodiesRaw(scope, { maxBytes: bodyLimitOf(scope), timeout: bodyTimeout })
    watchTrailers(scope)
    // `base` is left out because reply-from would prefer it to the result of getUpstream. Retries are off because
    // reply-from would send them to the same backend. The types of reply-from accept only undici's own dispatchers.
    await scope.register(replyFrom, {
      undici: replyFromClient(),
      retryMethods: [],
      disableRequestLogging: true,
    } as unknown as FastifyReplyFromOptions)
  },
  { name: 'leastwise-request-handling', fastify: '5.x' },
)
