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
import type { TlsOptionsOf } from '../src/proxy/upstream/tls/upstream-tls.js'
import { requestRecorder } from '../src/telemetry/observers.js'
import type { RequestObserver } from '../src/telemetry/record.js'
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
  /** The path that replaces the prefix in requests to backends. */
  rewritePrefix: string
  /** Largest request body in bytes; 0 for any. */
  maxBody: number
  /** Bytes of a request body that are read before a backend is chosen; 0 for none. */
  requestBuffer: number
  /** Largest head of a backend's response in bytes; trailers have the same limit. */
  maxResponseHeaders: number
  /** How long an idle connection to a backend is kept, in milliseconds; 0 if each request gets a new connection. */
  keepAlive: number
  /** How long after its opening a connection to a backend takes requests, in milliseconds; 0 for any time. */
  maxConnectionAge: number
  timeouts: Timeouts
  /** Returns the options for TLS with a backend. */
  tlsOptionsOf: TlsOptionsOf
  /** How many times a request is retried on other backends. */
  retries: number
  /** Statuses of responses that count as gateway failures, as a list of ranges; empty for none. */
  failureStatus: string
  /** Statuses of responses after which another backend is asked, as a list of ranges; empty for none. */
  retryStatus: string
  /** Which Host field is sent to backends that have no such setting of their own. */
  hostHeader: HostHeader
  /** Called with the Host of each request for which no backend was found. */
  onRefused(host: string | undefined): void
  /** Called with the error of each attempt that failed. */
  onFailed(error: Error): void
  /** Which proxies are trusted to say where a request came from. */
  trust: Trust
  underscoreHeaders: UnderscoreHeaders
  /** Whether the gateway is named in Via. */
  isNamedInVia: boolean
  /** Whether the prefix is put back into paths in response fields. */
  restoresPrefix: boolean
  /** Observers that are called with each request when it is over. */
  observers: readonly RequestObserver[]
}

/** The body limit that Fastify has by default. */
const DEFAULT_BODY_LIMIT_BYTES = 1_048_576

/**
 * Adds the proxied routes of one pool, in a scope of their own, so that other routes of the app are neither changed nor
 * counted. src/proxy/handle.ts handles the requests to these routes.
 */
export const proxyPlugin: FastifyPluginAsync<ProxyOptions> = async (scope, options) => {
  const { balancer, methods = passedOn, timeouts, maxBody, trust, underscoreHeaders } = options
  const { server } = scope
  // The scope around this one may have a prefix as well, which is then part of this prefix.
  const segments = scope.prefix.replace(/\/+$/, '').split('/').length - 1
  const paths = { segments, rewritePrefix: options.rewritePrefix, joinsSlashes: joinsSlashes(scope) }
  // Each pool has its own name in Via: a pool may be the backend of another pool, but not of itself.
  const via = options.isNamedInVia ? `leastwise-${randomBytes(4).toString('hex')}` : undefined
  const bodyLimits = {
    maxBytes: scope.initialConfig.bodyLimit ?? DEFAULT_BODY_LIMIT_BYTES,
    timeout: timeouts.body,
  }
  // This onRoute hook is added first, because the later ones add hooks of the pool to each route.
  const appHooks = watchAppHooks(scope, () => handler.forward)
  const handler: RequestHandler = new RequestHandler({
    balancer,
    strip: { trust, underscoreHeaders, server, appHooks },
    admission: { ...paths, maxBody, via, allow: methods.join(', ') },
    requestFields: { trust, via, paths, appHooks },
    responseFields: { via, paths: options.restoresPrefix && segments > 0 ? paths : undefined },
    trailerRuleFor: trailerRules(underscoreHeaders),
    bodyLimits,
    bodyTimeout: timeouts.body,
    readAheadLimits: { requestBuffer: options.requestBuffer, maxBody },
    appHooks,
    onRefused: options.onRefused,
    record: requestRecorder({ ...options, isFailure: statusesOf(options.failureStatus) }),
  })
  const { failureStatus, retryStatus, retries, hostHeader, maxResponseHeaders, tlsOptionsOf, onFailed } =
    options
  const { keepAlive, maxConnectionAge } = options
  const dispatcher = new LeaseDispatcher({
    balancer,
    timeouts,
    retries,
    failureStatus,
    retryStatus,
    hostHeader,
    maxBody,
    requestBuffer: options.requestBuffer,
    maxResponseHeaders,
    keepAlive,
    maxConnectionAge,
    tlsOptionsOf,
    onFailed,
  })
  scope.addHook('onClose', async () => dispatcher.destroy())

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
  takeBodiesRaw(scope, bodyLimits)
  watchTrailers(scope)
  // `base` is left out because reply-from would prefer it to the result of getUpstream. Retries are off because
  // reply-from would send them to the same backend. The types of reply-from accept only undici's own dispatchers.
  await scope.register(replyFrom, {
    undici: replyFromClient(dispatcher),
    retryMethods: [],
    disableRequestLogging: true,
  } as unknown as FastifyReplyFromOptions)
  addProxiedRoutes(scope, { ...options, handler: handler.forward })
}
