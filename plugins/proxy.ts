import replyFrom, { type FastifyReplyFromOptions } from '@fastify/reply-from'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import type { ScopeFacts } from '../src/pool/rules.js'
import type { Assignment } from '../src/proxy/context.js'
import { takeBodiesRaw } from '../src/proxy/downstream/body/raw-bodies.js'
import { watchArrivals } from '../src/proxy/downstream/connection/arrivals.js'
import { watchConnections } from '../src/proxy/downstream/connection/idle-connections.js'
import { DOWNSTREAM } from '../src/proxy/downstream/downstream.js'
import { errorsOf, sendError } from '../src/proxy/downstream/errors/error-response.js'
import { watchAppHooks } from '../src/proxy/downstream/host-app/app-hooks.js'
import { watchTrailers } from '../src/proxy/downstream/host-app/app-trailers.js'
import { setBeforeHooks } from '../src/proxy/downstream/host-app/before-hooks.js'
import type { Constraints } from '../src/proxy/downstream/host-app/own-routes.js'
import { addProxiedRoutes } from '../src/proxy/downstream/host-app/proxied-routes.js'
import { joinsSlashes } from '../src/proxy/downstream/request/rewrite-path.js'
import { RequestHandler } from '../src/proxy/handle.js'
import type { HandlerOptions } from '../src/proxy/handler-options.js'
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

export interface ProxyOptions extends LoadSheddingOptions {
  /** The name of the pool. */
  name: string
  /** The app that the proxied routes are added to. */
  app: FastifyInstance
  /** Methods that are proxied; all of {@link passedOn} by default. */
  methods: readonly string[] | undefined
  /** Constraints of the proxied routes. */
  constraints: Constraints
  /** Whether the app's error handler answers errors. */
  appAnswersErrors: boolean
  /** Longest time in milliseconds between two chunks of a body that a hook reads; 0 for any. */
  bodyTimeout: number
  /**
   * Makes the rules of the routes.
   * @param segments how many segments the prefix of the scope has
   * @returns a function that returns the rules for a request
   */
  rules(scope: ScopeFacts, segments: number): HandlerOptions['rulesOf']
}

/** The body limit that Fastify has by default. */
const DEFAULT_BODY_LIMIT_BYTES = 1_048_576

/**
 * Adds the proxied routes of one pool, in a scope of their own, so that other routes of the app are neither changed nor
 * counted. src/proxy/handle.ts handles the requests to these routes.
 */
export const proxyPlugin: FastifyPluginAsync<ProxyOptions> = async (scope, options) => {
  const { server } = scope
  // The scope around this one may have a prefix as well, which is then part of this prefix.
  const segments = scope.prefix.replace(/\/+$/, '').split('/').length - 1
  const bodyLimit = scope.initialConfig.bodyLimit ?? DEFAULT_BODY_LIMIT_BYTES
  // This onRoute hook is added first, because the later ones add hooks of the pool to each route.
  const appHooks = watchAppHooks(scope, () => handler.forward)
  const facts = { server, appHooks, bodyLimit, joinsSlashes: joinsSlashes(scope) }
  const handler: RequestHandler = new RequestHandler({ rulesOf: options.rules(facts, segments), appHooks })

  scope.setErrorHandler(options.appAnswersErrors ? errorsOf(options.app) : sendError)
  scope.decorateRequest('assignment', null)
  scope.decorateRequest(DOWNSTREAM, null)
  watchArrivals(server)
  watchConnections(server)
  setBeforeHooks(scope, handler.strip)
  // This hook runs before any hook of the pool that may answer.
  scope.addHook('onRequest', handler.arrive)
  await scope.register(loadSheddingPlugin, options)
  // These hooks run after all hooks of the app, including those that plugins add to each route.
  scope.addHook('onRoute', (route) => {
    route.onRequest = [route.onRequest ?? [], handler.admit].flat()
  })
  scope.addHook('onResponse', handler.end)
  scope.addHook('onError', handler.fail)
  takeBodiesRaw(scope, { maxBytes: bodyLimit, timeout: options.bodyTimeout })
  watchTrailers(scope)
  // `base` is left out because reply-from would prefer it to the result of getUpstream. Retries are off because
  // reply-from would send them to the same backend. The types of reply-from accept only undici's own dispatchers.
  await scope.register(replyFrom, {
    undici: replyFromClient(),
    retryMethods: [],
    disableRequestLogging: true,
  } as unknown as FastifyReplyFromOptions)
  addProxiedRoutes(scope, { ...options, handler: handler.forward })
}
