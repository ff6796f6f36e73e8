import { randomBytes } from 'node:crypto'
import replyFrom, { type FastifyReplyFromOptions } from '@fastify/reply-from'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import type { HostHeader } from '../src/balancer/backends/spec.js'
import type { Balancer } from '../src/balancer/balancer.js'
import type { Assignment } from '../src/proxy/context.js'
import { takeBodiesRaw } from '../src/proxy/downstream/body/raw-bodies.js'
import { watchArrivals } from '../src/proxy/downstream/connection/arrivals.js'
import { watchConnections } from '../src/proxy/downstream/connection/idle-connections.js'
import { DOWNSTREAM } from '../src/proxy/downstream/downstream.js'
import { errorsOf, sendError } from '../src/proxy/downstream/errors/error-response.js'
import { trailerRules } from '../src/proxy/downstream/fields/request-trailers.js'
import { watchAppHooks } from '../src/proxy/downstream/host-app/app-hooks.js'
import { watchTrailers } from '../src/proxy/downstream/host-app/app-trailers.js'
import { setBeforeHooks } from '../src/proxy/downstream/host-app/before-hooks.js'
import type { Constraints } from '../src/proxy/downstream/host-app/own-routes.js'
import { addProxiedRoutes } from '../src/proxy/downstream/host-app/proxied-routes.js'
import { joinsSlashes } from '../src/proxy/downstream/request/rewrite-path.js'
import { RequestHandler } from '../src/proxy/handle.js'
import type { UnderscoreHeaders } from '../src/proxy/http/fields.js'
import { passedOn } from '../src/proxy/http/methods.js'
import { statusesOf } from '../src/proxy/http/status-ranges.js'
import type { Trust } from '../src/proxy/http/trust.js'
import { replyFromClient } from '../src/proxy/reply-from.js'
import { LeaseDispatcher } from '../src/proxy/upstream/dispatcher.js'
import type { Timeouts } from '../src/proxy/upstream/timeouts.js'
import { requestRecorder } from '../src/telemetry/observers.js'
import type { RequestObserver } from '../src/telemetry/record.js'
import { type LoadSheddingOptions, loadSheddingPlugin } from './load-shedding.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** Which backend a proxied request was given to, once it was; undefined or null on every other request. */
    assignment: Assignment | null | undefined
  }
}

export interface ProxyOptions extends LoadSheddingOptions {
  balancer: Balancer
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
  /** What backends get in place of the prefix, which is taken off. */
  rewritePrefix: string
  /** Largest request body in bytes; 0 for any. */
  maxBody: number
  /** Largest head of a backend's response in bytes, and largest trailers. */
  maxResponseHeaders: number
  timeouts: Timeouts
  /** How many times a request is retried on other backends. */
  retries: number
  /** Statuses of responses that count as gateway failures, as a list of ranges; empty for none. */
  failureStatus: string
  /** Statuses of responses after which another backend is asked, as a list of ranges; empty for none. */
  retryStatus: string
  /** The Host that backends get which have no such setting of their own. */
  hostHeader: HostHeader
  /** Told of the Host of each request that no backend was found for. */
  onRefused(host: string | undefined): void
  /** Told of the error of each attempt that failed. */
  onFailed(error: Error): void
  /** Which proxies are believed what they say of a request. */
  trust: Trust
  underscoreHeaders: UnderscoreHeaders
  /** Whether the gateway is named in Via. */
  isNamedInVia: boolean
  /** Whether the prefix is put back into paths that responses name. */
  restoresPrefix: boolean
  /** Told of each request when it is over. */
  observers: readonly RequestObserver[]
}

/** Fastify's own default. */
const DEFAULT_BODY_LIMIT_BYTES = 1_048_576

/**
 * Adds the proxied routes of one pool, in a scope of their own, so that other routes of the app are neither changed nor
 * counted. What becomes of a request on them is told in src/proxy/handle.ts.
 */
export const proxyPlugin: FastifyPluginAsync<ProxyOptions> = async (scope, options) => {
  const { balancer, methods = passedOn, timeouts, maxBody, trust, underscoreHeaders } = options
  const { server } = scope
  // The plugin may have been registered in a scope that has a prefix, which is a part of this one.
  const segments = scope.prefix.replace(/\/+$/, '').split('/').length - 1
  const paths = { segments, rewritePrefix: options.rewritePrefix, joinsSlashes: joinsSlashes(scope) }
  // One name for each pool: a pool may be the backend of another pool, but not of itself.
  const via = options.isNamedInVia ? `leastwise-${randomBytes(4).toString('hex')}` : undefined
  const bodyLimits = {
    maxBytes: scope.initialConfig.bodyLimit ?? DEFAULT_BODY_LIMIT_BYTES,
    timeout: timeouts.body,
  }
  // The first of the hooks for routes, as the others add hooks of the pool to each route.
  const appHooks = watchAppHooks(scope)
  const handler = new RequestHandler({
    balancer,
    strip: { trust, underscoreHeaders, server, appHooks },
    admission: { ...paths, maxBody, via, allow: methods.join(', ') },
    requestFields: { trust, via, paths, appHooks },
    responseFields: { via, paths: options.restoresPrefix && segments > 0 ? paths : undefined },
    trailerRuleFor: trailerRules(underscoreHeaders),
    bodyLimits,
    bodyTimeout: timeouts.body,
    appHooks,
    onRefused: options.onRefused,
    record: requestRecorder({ ...options, isFailure: statusesOf(options.failureStatus) }),
  })
  const { failureStatus, retryStatus, retries, hostHeader, maxResponseHeaders, onFailed } = options
  const dispatcher = new LeaseDispatcher({
    balancer,
    timeouts,
    retries,
    failureStatus,
    retryStatus,
    hostHeader,
    maxBody,
    maxResponseHeaders,
    onFailed,
  })
  scope.addHook('onClose', async () => dispatcher.destroy())

  scope.setErrorHandler(options.appAnswersErrors ? errorsOf(options.app) : sendError)
  scope.decorateRequest('assignment', null)
  scope.decorateRequest(DOWNSTREAM, null)
  watchArrivals(server)
  watchConnections(server)
  setBeforeHooks(scope, handler.strip)
  // Before any hook of the pool that may answer.
  scope.addHook('onRequest', handler.arrive)
  await scope.register(loadSheddingPlugin, options)
  // After all hooks of the app, those that plugins add to each route included.
  scope.addHook('onRoute', (route) => {
    route.onRequest = [route.onRequest ?? [], handler.admit].flat()
  })
  scope.addHook('onResponse', handler.end)
  scope.addHook('onError', handler.fail)
  takeBodiesRaw(scope, bodyLimits)
  watchTrailers(scope)
  // Without `base`, which reply-from would prefer to the result of getUpstream, and without retries, which it would send
  // to the same backend. Its types take only undici's own dispatchers.
  await scope.register(replyFrom, {
    undici: replyFromClient(dispatcher),
    retryMethods: [],
    disableRequestLogging: true,
  } as unknown as FastifyReplyFromOptions)
  addProxiedRoutes(scope, { ...options, handler: handler.forward })
}
