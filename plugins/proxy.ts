import { randomBytes } from 'node:crypto'
import replyFrom, { type FastifyReplyFromHooks, type FastifyReplyFromOptions } from '@fastify/reply-from'
import type {
  FastifyError,
  FastifyInstance,
  FastifyPluginAsync,
  FastifyReply,
  FastifyRequest,
  onRequestHookHandler,
} from 'fastify'
import type { HostHeader } from '../src/balancer/backends/spec.js'
import type { Balancer } from '../src/balancer/balancer.js'
import { ClientGoneError } from '../src/balancer/errors.js'
import { type Assignment, contextOf, ProxyContext } from '../src/proxy/context.js'
import { copyWhereRead } from '../src/proxy/downstream/body/body-copy.js'
import { watchClient } from '../src/proxy/downstream/body/body-timeout.js'
import { isParsed, takeBodiesRaw } from '../src/proxy/downstream/body/raw-bodies.js'
import { fitFields, isUntouched, takeUpload, type Upload } from '../src/proxy/downstream/body/upload.js'
import { expectsContinue } from '../src/proxy/downstream/connection/expect.js'
import {
  closeAfter,
  isOnlyPending,
  isOpen,
  onFinished,
  onTurn,
  watchArrivals,
} from '../src/proxy/downstream/connection/pipeline.js'
import { ClientSide } from '../src/proxy/downstream/downstream.js'
import { errorsOf, sendError } from '../src/proxy/downstream/errors/error-response.js'
import { endsConnection, refusalCodeOf } from '../src/proxy/downstream/errors/errors.js'
import { addressesOf } from '../src/proxy/downstream/fields/client-addresses.js'
import { arrivedFrom, hostSetIn } from '../src/proxy/downstream/fields/forwarded.js'
import { countForward, toBackend } from '../src/proxy/downstream/fields/forwarding.js'
import { trailerRules } from '../src/proxy/downstream/fields/request-trailers.js'
import { type StripOptions, stripRequestFields } from '../src/proxy/downstream/fields/strip-request-fields.js'
import { settleFields } from '../src/proxy/downstream/host-app/app-fields.js'
import { watchAppHooks } from '../src/proxy/downstream/host-app/app-hooks.js'
import { setBeforeHooks } from '../src/proxy/downstream/host-app/before-hooks.js'
import {
  addBehindOwn,
  type Constraints,
  letOwnRoutesWin,
  RoutesTakenError,
} from '../src/proxy/downstream/host-app/own-routes.js'
import { answerProbe } from '../src/proxy/downstream/host-app/route-probe.js'
import { admit } from '../src/proxy/downstream/request/admission.js'
import { joinsSlashes, prefixOf } from '../src/proxy/downstream/request/prefix.js'
import { REQUEST_ID, requestIdOf } from '../src/proxy/downstream/request/request-id.js'
import { sendCoalesced } from '../src/proxy/downstream/response/coalesced-write.js'
import type { ResponseOptions } from '../src/proxy/downstream/response/response-fields.js'
import { applyResponseHead } from '../src/proxy/downstream/response/response-head.js'
import { isUpgrade, wantedProtocols } from '../src/proxy/downstream/upgrade/upgrade.js'
import type { UnderscoreHeaders } from '../src/proxy/http/fields.js'
import { passedOn } from '../src/proxy/http/methods.js'
import { peerOf } from '../src/proxy/http/peer.js'
import { hasBody } from '../src/proxy/http/request-body.js'
import { type UpstreamResponse, WholeBody } from '../src/proxy/http/response.js'
import { statusesOf } from '../src/proxy/http/status-ranges.js'
import type { Trust } from '../src/proxy/http/trust.js'
import type { Timeouts } from '../src/proxy/upstream/attempt.js'
import { LeaseDispatcher } from '../src/proxy/upstream/dispatcher.js'
import { headersFor, replyFromClient } from '../src/proxy/upstream/reply-from-client.js'
import { tellObservers } from '../src/telemetry/observers.js'
import { type RequestObserver, recordOf } from '../src/telemetry/record.js'
import { type PressureOptions, pressurePlugin } from './load-shedding.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** Which backend a proxied request was given to, once it was; undefined or null on every other request. */
    assignment: Assignment | null | undefined
    /** When it began to wait for a backend, in monotonic milliseconds; 0 where it did not have to. */
    queuedAt: number
  }
}

export interface ProxyOptions extends PressureOptions {
  balancer: Balancer
  /** What the pool is called. */
  name: string
  /** The app that the proxied routes are added to. */
  app: FastifyInstance
  /** Methods that are proxied; all of {@link passedOn} by default. */
  methods: readonly string[] | undefined
  /** Constraints of the proxied routes. */
  constraints: Constraints
  /** Whether the app's error handler answers errors. */
  appAnswersErrors: boolean
  /** Put in the place of the prefix, which is taken off. */
  rewritePrefix: string
  /** Largest request body in bytes; 0 for any. */
  maxBody: number
  /** Largest head of a backend's answer in bytes, and largest trailers. */
  maxResponseHeaders: number
  timeouts: Timeouts
  /** Further tries of a request on other backends. */
  retries: number
  /** Statuses of answers that count as gateway failures, as a list of ranges; empty for none. */
  failureStatus: string
  /** Statuses of answers that another backend may do better, likewise. */
  retryStatus: string
  /** The Host that backends see which do not say themselves. */
  hostHeader: HostHeader
  /** Told of the Host of each request that no backend was found for. */
  onRefused(host: string | undefined): void
  /** Told of what tries on backends fail with. */
  onFailed(error: Error): void
  /** Which proxies are believed what they say of a request. */
  trust: Trust
  underscoreHeaders: UnderscoreHeaders
  /** Whether we are named in Via. */
  isNamedInVia: boolean
  /** Whether the prefix is put back into where answers lead. */
  restoresPrefix: boolean
  /** Whoever wants to know of each request. */
  observers: readonly RequestObserver[]
}

/** The upstream that reply-from is told: it parses the URL of a constant only once. The dispatcher goes by the lease. */
const UPSTREAM = 'http://backend'

/** No fields: those of an answer are set where the reply is at hand. */
const NOTHING = Object.freeze({})

/** In a TE field: trailers are welcome. */
const TRAILERS = /(^|,)[ \t]*trailers[ \t]*(,|;|$)/i

/** Fastify's own default. */
const DEFAULT_BODY_LIMIT_BYTES = 1_048_576

/** Methods of requests that another backend can answer as well, if the first one fails, and mostly soon. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS'])

/** The proxied routes of one pool, in a scope of their own: other routes are not touched and not counted. */
export const proxyPlugin: FastifyPluginAsync<ProxyOptions> = async (scope, options) => {
  const {
    balancer,
    name,
    app,
    methods = passedOn,
    constraints,
    appAnswersErrors,
    rewritePrefix,
    maxBody,
    maxResponseHeaders,
    timeouts,
    retries,
    failureStatus,
    retryStatus,
    hostHeader,
    trust,
    underscoreHeaders,
    observers,
  } = options
  // Of the whole prefix: the plugin may have been registered in a scope that has one.
  const segments = scope.prefix.replace(/\/+$/, '').split('/').length - 1
  const dispatcher = new LeaseDispatcher({
    balancer,
    timeouts,
    retries,
    failureStatus,
    retryStatus,
    hostHeader,
    maxBody,
    maxResponseHeaders,
    onFailed: options.onFailed,
  })
  const allow = methods.join(', ')
  const isFailure = statusesOf(failureStatus)
  const trailerRuleFor = trailerRules(underscoreHeaders)
  // One for each pool: a pool may well be the backend of another, but not of itself.
  const via = options.isNamedInVia ? `leastwise-${randomBytes(4).toString('hex')}` : undefined
  const paths = { segments, rewritePrefix, joinsSlashes: joinsSlashes(scope) }
  const answering: ResponseOptions = {
    via,
    paths: options.restoresPrefix && segments > 0 ? paths : undefined,
  }
  const { server } = scope

  const arriving: StripOptions = { trust, underscoreHeaders, server, isWatched: () => hooks.touchRequests }
  setBeforeHooks(scope, (raw) => {
    answerProbe(raw)
    stripRequestFields(raw, arriving)
  })
  watchArrivals(scope.server)
  scope.addHook('onClose', async () => dispatcher.destroy())
  // First of the hooks for routes: the others add hooks of the pool's own.
  const hooks = watchAppHooks(scope)
  scope.setErrorHandler(appAnswersErrors ? errorsOf(app) : sendError)
  scope.decorateRequest('assignment', null)
  scope.decorateRequest('queuedAt', 0)
  // Before any hook that may answer.
  scope.addHook('onRequest', (request, reply, done) => {
    const peer = peerOf(request.raw.socket)
    const arrivedAt = balancer.clock.now() - reply.elapsedTime
    onFinished(request.raw, reply.raw, () => {
      end(request)
      if (observers.length === 0) return
      const record = recordOf(
        request,
        reply,
        balancer,
        addressesOf(arrivedFrom(request, peer), trust),
        isFailure,
        arrivedAt,
      )
      tellObservers(observers, record, request, reply, balancer.observerGuard)
    })
    done()
  })
  await scope.register(pressurePlugin, options)

  const admission = { ...paths, maxBody, via, server }
  const admitted = ({ raw }: FastifyRequest, reply: FastifyReply) => {
    try {
      return admit(raw, admission)
    } catch (error) {
      if (raw.method === 'TRACE') reply.header('allow', allow)
      // Before the client's next request is looked at.
      if (endsConnection(error as FastifyError)) closeAfter(raw, reply.raw)
      throw error
    }
  }

  const takeLease: onRequestHookHandler = (request, reply, done) => {
    const { raw } = request
    const { path, host } = admitted(request, reply)
    const begin = () => {
      // It may have left while a hook of the app took its time.
      if (!isOpen(raw, reply.raw)) return
      const leave = balancer.lease({
        onLease(lease) {
          // Hooks of the app run before the backend is asked.
          lease.prepare()
          const downstream = new ClientSide(request, reply, answering)
          request.assignment = new ProxyContext(request.id, lease, balancer.policy, path, host, downstream)
          done()
        },
        // There is no backend for it, and the client is told.
        onReject(error) {
          options.onRefused(host)
          done(error)
        },
        request: request.id,
        repeatable: REPEATABLE.has(raw.method as string) && !hasBody(raw) && !isUpgrade(raw),
        upgrade: isUpgrade(raw),
      })
      if (!leave) return
      request.queuedAt = balancer.clock.now()
      onFinished(raw, reply.raw, leave)
    }
    // An app may have a shorter time of its own for connections.
    const own = 'timeout' in scope.server ? scope.server.timeout : 0
    if (timeouts.body > 0 && (own === 0 || own > timeouts.body)) {
      watchClient(request, reply, timeouts.body)
    }
    // A hook may read the body while a backend is waited for.
    if (hasBody(raw)) copyWhereRead(raw, limits)
    if ('stream' in raw) return begin()
    onTurn(raw, reply.raw, () => {
      // Chunks that came with the head may be malformed, which is known once they are parsed.
      if (raw.headers['transfer-encoding'] === undefined) return begin()
      setImmediate(begin)
    })
  }
  // After all hooks of the app, those that plugins add to each route included: what they refuse takes no lease.
  scope.addHook('onRoute', (route) => {
    route.onRequest = [route.onRequest ?? [], takeLease].flat()
  })
  // The truth about a lease is with the dispatcher; these are for a request that never got that far.
  scope.addHook('onResponse', (request, _reply, done) => {
    end(request)
    done()
  })
  scope.addHook('onError', (request, reply, error, done) => {
    const code = refusalCodeOf(error)
    if (code !== undefined && isOpen(request.raw, reply.raw)) balancer.refused(code)
    end(request)
    done()
  })

  const limits = { bytes: scope.initialConfig.bodyLimit ?? DEFAULT_BODY_LIMIT_BYTES, silence: timeouts.body }
  takeBodiesRaw(scope, limits)

  // No `base`, or it would be preferred to getUpstream's answer. No retries: reply-from would repeat a
  // request to the same backend. Its types know only undici's own dispatchers.
  await scope.register(replyFrom, {
    undici: replyFromClient(dispatcher),
    retryMethods: [],
    disableRequestLogging: true,
  } as unknown as FastifyReplyFromOptions)

  const handler = (request: FastifyRequest, reply: FastifyReply) => {
    const { raw } = request
    const context = contextOf(request) as ProxyContext
    if (raw.method === 'OPTIONS' && !countForward(raw)) {
      context.attempts = 0
      end(request)
      if (balancer.endsConnections && isOnlyPending(raw)) reply.header('connection', 'close')
      return reply.code(204).header('allow', allow).header(REQUEST_ID, requestIdOf(request)).send()
    }
    context.takesTrailers = TRAILERS.test(String(raw.headers.te ?? ''))
    if (hasBody(raw)) context.isTrailerDropped = trailerRuleFor(raw.headers.connection)
    if (isUpgrade(raw)) context.upgrade = wantedProtocols(raw)
    if (isUntouched(request)) {
      if (hasBody(raw)) {
        context.body = raw
        context.expectsContinue = expectsContinue(raw)
      }
      return reply.from('/', exchange)
    }
    takeUpload(request, limits, (error, upload) => {
      if (reply.sent || context.isOver) return
      if (!upload) {
        // No backend was asked.
        context.attempts = 0
        reply.send(error)
        return
      }
      context.body = upload.body
      if (upload.body !== raw) {
        context.source = raw
        fields.set(request, upload.fields)
      }
      reply.from('/', exchangeOfOther)
    })
    return reply
  }
  /** Fields that describe bodies which hooks of the app have replaced. */
  const fields = new WeakMap<FastifyRequest, Upload['fields']>()
  // Path, fields and body go by the context: reply-from sends its path through a URL parser, copies the
  // fields three times, and takes no body with GET.
  const exchange = {
    getUpstream: () => UPSTREAM,
    rewriteRequestHeaders(request: FastifyRequest) {
      const { raw } = request
      const own = contextOf(request) as ProxyContext
      if (hooks.touchRequests) settleFields(request)
      const arrived = arrivedFrom(request, peerOf(raw.socket))
      own.fields = toBackend(arrived, {
        trust,
        via,
        requestId: requestIdOf(request),
        host: own.host,
        prefix: prefixOf(raw, paths),
      })
      if (hooks.touchRequests) own.host = hostSetIn(arrived) ?? own.host
      if (own.source) own.fields = fitFields(own.fields, fields.get(request) ?? {})
      return headersFor(own)
    },
    rewriteHeaders: () => NOTHING,
    onResponse(request: FastifyRequest, reply: FastifyReply, { stream }: { stream: unknown }) {
      applyResponseHead(reply, contextOf(request) as ProxyContext, answering, balancer.endsConnections)
      const body = stream as UpstreamResponse['body']
      if (!(body instanceof WholeBody)) reply.send(body)
      // Hooks always see a stream; and for bytes without a type Fastify makes one up.
      else if (hooks.seeAnswers || typeof reply.getHeader('content-type') !== 'string')
        reply.send(body.stream())
      else sendCoalesced(reply, body.bytes)
    },
  } as unknown as FastifyReplyFromHooks
  // Whatever a hook has put into `request.body` is not for reply-from to write.
  const exchangeOfOther = { ...exchange, body: null }
  for (const method of methods) {
    if (!scope.supportedMethods.includes(method)) scope.addHttpMethod(method)
  }
  // Where the option is left out every method is answered, TRACE by a refusal.
  const answered = options.methods ? methods : [...methods, 'TRACE']
  const route = {
    handler,
    constraints,
    // Which methods are proxied is said above, and is not for Fastify to add to.
    exposeHeadRoute: false,
    // Most of these methods have no place in an OpenAPI description of the app, and what is behind them it cannot tell.
    schema: { hide: true },
  }
  letOwnRoutesWin(app)
  let free = 0
  // Under a prefix there is the prefix itself, and all below it.
  for (const url of scope.prefix === '' ? ['/*'] : ['', '/*']) {
    for (const parsed of [false, true]) {
      const method = answered.filter((one) => isParsed(one) === parsed)
      free += addBehindOwn(scope, name, { ...route, method, url }).length
    }
  }
  if (free === 0) {
    throw new RoutesTakenError(`${answered.join(', ')} ${scope.prefix}/* are routes of the app already`)
  }
}

/** Nothing is left to do for a client: nothing at all where its backend is done, as it is after a whole answer. */
function end(request: FastifyRequest): void {
  const context = contextOf(request)
  if (!context) return
  context.isOver = true
  context.leaveQueue?.()
  // First of all the second: what ends the other must not look for it.
  context.hedge?.cut(new ClientGoneError())
  if (context.lease.held) context.lease.cut(new ClientGoneError())
}
