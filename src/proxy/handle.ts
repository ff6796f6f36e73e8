import type { IncomingMessage } from 'node:http'
import type { FastifyReplyFromHooks } from '@fastify/reply-from'
import type {
  FastifyError,
  FastifyReply,
  FastifyRequest,
  onErrorHookHandler,
  onRequestHookHandler,
  onResponseHookHandler,
} from 'fastify'
import type { LeaseRequest } from '../balancer/leases/lease-request.js'
import { contextOf, ProxyContext } from './context.js'
import { copyIfRead } from './downstream/body/body-copy.js'
import { limitSilence } from './downstream/body/body-timeout.js'
import { findBodyToSend, isBodyUntouched } from './downstream/body/body-to-send.js'
import { keepWhole, readAhead } from './downstream/body/read-ahead.js'
import { expectsContinue } from './downstream/connection/expect.js'
import { isOpen, onFinished } from './downstream/connection/pipeline.js'
import { DOWNSTREAM, downstreamOf, HttpDownstream } from './downstream/downstream.js'
import { refusalCodeOf } from './downstream/errors/errors.js'
import { setRequestFields } from './downstream/fields/request-fields.js'
import { acceptsTrailers } from './downstream/fields/request-trailers.js'
import { stripRequestFields } from './downstream/fields/strip-request-fields.js'
import { isHandlerAwaited } from './downstream/host-app/app-hooks.js'
import { stopProbe } from './downstream/host-app/route-probe.js'
import { admit, type Destination } from './downstream/request/admission.js'
import { answerOptions, mayForward } from './downstream/request/max-forwards.js'
import { sendResponse } from './downstream/response/send-response.js'
import { wantedProtocols } from './downstream/upgrade/upgrade.js'
import type { HandlerOptions } from './handler-options.js'
import type { UpstreamResponse } from './http/response.js'
import { release } from './release.js'
import { replyFromHooks } from './reply-from.js'

/** Methods of requests that another backend can answer as well if the first one fails. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Handles one proxied request: the methods stand in the order in which they are called. Fastify calls them, as
 * plugins/proxy.ts registers them, and runs hooks of the app in between.
 */
export class RequestHandler {
  readonly #options: HandlerOptions
  readonly #replyFrom: FastifyReplyFromHooks
  readonly #replyFromWithoutBody: FastifyReplyFromHooks

  constructor(options: HandlerOptions) {
    this.#options = options
    this.#replyFrom = replyFromHooks({ setFields: this.#setFields, respond: this.#respond })
    // The value that a hook has put into `request.body` is in the context, and reply-from must not write it a second
    // time.
    this.#replyFromWithoutBody = { ...this.#replyFrom, body: null } as FastifyReplyFromHooks
  }

  /** 1. Before any hook: removes the fields that the client may not send, so that fields set by hooks are kept. */
  readonly strip = (raw: IncomingMessage): void => {
    stopProbe(raw)
    stripRequestFields(raw, this.#options.strip)
  }

  /** 2. First onRequest hook of the pool: from here on the request is released and recorded, however it ends. */
  readonly arrive: onRequestHookHandler = (request, reply, done) => {
    const { balancer, responseFields } = this.#options
    const arrivedAt = balancer.clock.now() - reply.elapsedTime
    const downstream = new HttpDownstream(request, reply, arrivedAt, responseFields)
    request[DOWNSTREAM] = downstream
    onFinished(request.raw, reply.raw, () => {
      release(contextOf(request))
      this.#options.record(request, reply, downstream)
    })
    done()
  }

  /**
   * 3. Last onRequest hook: admits the request, and waits for its turn. It is the last one because a request that a
   * hook of the app refuses must not take a lease.
   */
  readonly admit: onRequestHookHandler = (request, reply, done) => {
    const { admission, bodyTimeout, bodyLimits, readAheadLimits } = this.#options
    const { raw } = request
    const downstream = downstreamOf(request) as HttpDownstream
    const destination = admit(raw, reply, admission)
    if (bodyTimeout > 0) limitSilence(request, reply, bodyTimeout)
    // A hook may read the body while the request waits.
    if (downstream.protocol.hasBody(raw)) copyIfRead(raw, bodyLimits)
    const proceed = (error: Error | null) =>
      error ? done(error as FastifyError) : this.#takeLease(downstream, destination, done)
    downstream.protocol.onTurn(raw, reply.raw, () => readAhead(downstream, readAheadLimits, proceed))
  }

  /** 4. Takes a lease on a backend. While all backends are full, the request waits in the queue for it. */
  #takeLease(downstream: HttpDownstream, { path, host }: Destination, done: (error?: Error) => void): void {
    const { balancer, onRefused } = this.#options
    const { request, reply, protocol, isUpgrade } = downstream
    const { raw } = request
    // The client may have left while a hook of the app ran or an earlier request was answered.
    if (!isOpen(raw, reply.raw)) return
    const leaseRequest: LeaseRequest = {
      onLease(lease) {
        // Hooks of the app run before the backend is asked.
        lease.prepare()
        request.assignment = new ProxyContext(request.id, lease, balancer.policy, path, host, downstream)
        done()
      },
      onReject(error) {
        onRefused(host)
        done(error as FastifyError)
      },
      request: request.id,
      repeatable: REPEATABLE.has(raw.method as string) && !isUpgrade && !protocol.hasBody(raw),
      upgrade: isUpgrade,
      queuedAt: undefined,
    }
    const leaveQueue = balancer.lease(leaseRequest)
    if (!leaveQueue) return
    downstream.queuedAt = leaseRequest.queuedAt as number
    onFinished(raw, reply.raw, leaveQueue)
  }

  /** 5. The route's handler, after all hooks: forwards the request with the body that hooks have left. */
  readonly forward = (request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined => {
    const { balancer, admission, trailerRuleFor, appHooks, readAheadLimits } = this.#options
    const { raw } = request
    const downstream = downstreamOf(request) as HttpDownstream
    const context = contextOf(request)
    // If a hook calls its callback twice, Fastify calls this method twice, the first time perhaps without a lease.
    if (!context || downstream.isForwarded) return reply
    downstream.isForwarded = true
    if (raw.method === 'OPTIONS' && !mayForward(raw)) {
      context.attempts = 0
      release(context)
      return answerOptions(downstream, admission.allow, balancer.endsConnections)
    }
    const hasBody = downstream.protocol.hasBody(raw)
    if (raw.headers.te !== undefined) context.takesTrailers = acceptsTrailers(raw)
    if (hasBody) context.isTrailerDropped = trailerRuleFor(raw.headers.connection)
    if (downstream.isUpgrade) context.upgrade = wantedProtocols(raw)
    if (!isBodyUntouched(request)) return this.#forwardOtherBody(downstream, context)
    if (hasBody) {
      context.body = raw
      context.expectsContinue = expectsContinue(raw)
      keepWhole(downstream, context, readAheadLimits)
    }
    reply.from('/', this.#replyFrom)
    return isHandlerAwaited(appHooks) ? reply : undefined
  }

  /** Forwards a request whose body is not, or no longer, the one that the client sends. */
  #forwardOtherBody(downstream: HttpDownstream, context: ProxyContext): FastifyReply {
    const { request, reply } = downstream
    findBodyToSend(request, this.#options.bodyLimits, (error, found) => {
      if (reply.sent || context.isOver) return
      if (!found) {
        context.attempts = 0
        reply.send(error)
        return
      }
      context.body = found.body
      if (found.body !== request.raw) {
        context.source = request.raw
        downstream.bodyFields = found.fields
      }
      reply.from('/', this.#replyFromWithoutBody)
    })
    return reply
  }

  /** 6. Makes the fields that the backend gets. */
  readonly #setFields = (request: FastifyRequest): ProxyContext => {
    const context = contextOf(request) as ProxyContext
    setRequestFields(downstreamOf(request) as HttpDownstream, context, this.#options.requestFields)
    return context
  }

  /** 7. Sends the response of a backend. (Until one has responded, upstream/forwarder.ts retries and hedges.) */
  readonly #respond = (
    request: FastifyRequest,
    reply: FastifyReply,
    body: UpstreamResponse['body'],
  ): void => {
    const { balancer, responseFields, appHooks } = this.#options
    const context = contextOf(request) as ProxyContext
    sendResponse(reply, context, body, responseFields, appHooks, balancer.endsConnections)
  }

  /** 8. Ends the request. `fail` and `arrive` also end it; release.ts explains why there are three places. */
  readonly end: onResponseHookHandler = (request, _reply, done) => {
    release(contextOf(request))
    done()
  }

  readonly fail: onErrorHookHandler = (request, reply, error, done) => {
    const code = refusalCodeOf(error)
    if (code !== undefined && isOpen(request.raw, reply.raw)) this.#options.balancer.refused(code)
    release(contextOf(request))
    done()
  }
}
