import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import type { ScopeFacts } from '../src/pool/rules.js'
import { bodyLimitOf } from '../src/proxy/downstream/body/raw-bodies.js'
import { errorsOf } from '../src/proxy/downstream/errors/error-response.js'
import { watchAppHooks } from '../src/proxy/downstream/host-app/app-hooks.js'
import type { Constraints } from '../src/proxy/downstream/host-app/own-routes.js'
import { addProxiedRoutes } from '../src/proxy/downstream/host-app/proxied-routes.js'
import { joinsSlashes } from '../src/proxy/downstream/request/rewrite-path.js'
import { RequestHandler } from '../src/proxy/handle.js'
import type { RouteRules } from '../src/proxy/route-rules.js'
import type { LoadSheddingOptions } from './load-shedding.js'
import { requestHandlingPlugin } from './request-handling.js'

export interface ProxyOptions extends LoadSheddingOptions {
  /** The name of the pool. */
  name: string
  /** The app that the proxied routes are added to. */
  app: FastifyInstance
  /** Methods that are proxied; all that can be passed on by default. */
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
   */
  rules(scope: ScopeFacts, segments: number): RouteRules
}

/**
 * Adds the proxied routes of one pool, in a scope of their own, so that other routes of the app are neither changed nor
 * counted. src/proxy/handle.ts handles the requests to these routes.
 */
export const proxyPlugin: FastifyPluginAsync<ProxyOptions> = async (scope, options) => {
  const { maxEventLoopDelay, maxHeapBytes, bodyTimeout } = options
  // The scope around this one may have a prefix as well, which is then part of this prefix.
  const segments = scope.prefix.replace(/\/+$/, '').split('/').length - 1
  // This onRoute hook is added first, because the later ones add hooks of the pool to each route.
  const appHooks = watchAppHooks(scope, () => handler.forward)
  const facts = {
    server: scope.server,
    appHooks,
    bodyLimit: bodyLimitOf(scope),
    joinsSlashes: joinsSlashes(scope),
  }
  const rules = options.rules(facts, segments)
  const handler: RequestHandler = new RequestHandler(() => rules)
  await scope.register(requestHandlingPlugin, {
    handler,
    bodyTimeout,
    maxEventLoopDelay,
    maxHeapBytes,
    errorHandler: options.appAnswersErrors ? errorsOf(options.app) : undefined,
  })
  addProxiedRoutes(scope, { ...options, handler: handler.forward })
}
