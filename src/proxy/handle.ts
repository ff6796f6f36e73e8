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
import { contextOf, type ProxyContext } from './context.js'
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
import { admit } from './downstream/request/admission.js'
import { answerOptions, mayForward } from './downstream/request/max-forwards.js'
import { sendResponse } from './downstream/response/send-response.js'
import { wantedProtocols } from './downstream/upgrade/upgrade.js'
import type { UpstreamResponse } from './http/response.js'
import { release } from './release.js'
import { replyFromHooks } from './reply-from.js'
import type { RouteRules } from './route-rules.js'
import { takeLease } from './take-lease.js'

/**
 * Handles one proxied request: the methods stand in the order in which they are called. Fastify calls them, as
 * plugins/request-handling.ts registers them, and runs hooks of the app in between.
 */
export class RequestHandler {
  readonly #rulesOf: (raw: IncomingMessage) => RouteRules
  readonly #replyFrom: FastifyReplyFromHooks
  readonly #replyFromWithoutBody: FastifyReplyFromHooks

  /** @param rulesOf returns the rules of the route that a request takes */
  constructor(rulesOf: (raw: IncomingMessage) => RouteRules) {
    this.#rulesOf = rulesOf
    this.#replyFrom = replyFromHooks({
      setFields: this.#setFields,
      forwardingOf: (request) => (downstreamOf(request) as HttpDownstream).target.forwarding,
      respond: this.#respond,
    })
    // The value that a hook has put into `request.body` is in the context, and reply-from must not write it a second
    // time.
    this.#replyFromWithoutBody = { ...this.#replyFrom, body: null } as FastifyReplyFromHooks
  }

  /** 1. Before any hook: removes the fields that the client may not send, so that fields set by hooks are kept. */
  readonly strip = (raw: IncomingMessage): void => {
    stopProbe(raw)
    stripRequestFields(raw, this.#rulesOf(raw).strip)
  }

  /** 2. First onRequest hook of the pool: from here on the request is released and recorded, however it ends. */
  readonly arrive: onRequestHookHandler = (request, reply, done) => {
    const { raw } = request
    const { target, responseFields } = this.#rulesOf(raw)
    const arrivedAt = target.balancer.clock.now() - reply.elapsedTime
    const downstream = new HttpDownstream(request, reply, target, arrivedAt, responseFields)
    request[DOWNSTREAM] = downstream
    downstream.trace = target.tracer?.begin(request)
    onFinished(raw, reply.raw, () => {
      release(contextOf(request))
      downstream.target.record(request, reply)
    })
    done()
  }

  /**
   * 3. Last onRequest hook: admits the request, and waits for its turn. It is the last one because a request that a
   * hook of the app refuses must not take a lease.
   */
  readonly admit: onRequestHookHandler = (request, reply, done) => {
    const { raw } = request
    const { admission, bodyTimeout, bodyLimits, readAheadLimits, chooseTarget, appHooks } = this.#rulesOf(raw)
    const downstream = downstreamOf(request) as HttpDownstream
    const destination = admit(raw, reply, admission)
    if (bodyTimeout > 0) limitSilence(request, reply, bodyTimeout)
    // A hook may read the body while the request waits.
    if (downstream.protocol.hasBody(raw)) copyIfRead(raw, bodyLimits)
    let isWaiting = true
    const admitted = (error?: Error) => {
      isWaiting = false
      downstream.inContext(done, error as FastifyError)
    }
    const proceed = (error: Error | null) => {
      if (error) return admitted(error)
      if (chooseTarget) downstream.target = chooseTarget(request, downstream.peer)
      // 4. Takes a lease on a backend, or waits for one.
      takeLease(downstream, destination, admitted)
    }
    downstream.protocol.onTurn(raw, reply.raw, () => readAhead(downstream, readAheadLimits, proceed))
    // What the request waits for comes in the context of something else, for example of another request's end.
    if (isWaiting && appHooks.runInContext) downstream.keepContext()
  }

  /** 5. The route's handler, after all hooks: forwards the request with the body that hooks have left. */
  readonly forward = (request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined => {
    const { raw } = request
    const downstream = downstreamOf(request) as HttpDownstream
    const context = contextOf(request)
    // If a hook calls its callback twice, Fastify calls this method twice, the first time perhaps without a lease.
    if (!context || downstream.isForwarded) return reply
    downstream.isForwarded = true
    const { admission, trailerRuleFor, readAheadLimits, appHooks, mirror } = this.#rulesOf(raw)
    if (appHooks.runInContext) downstream.keepContext()
    if (raw.method === 'OPTIONS' && !mayForward(raw)) {
      context.attempts = 0
      release(context)
      return answerOptions(downstream, admission.allow, downstream.target.balancer.endsConnections)
    }
    const hasBody = downstream.protocol.hasBody(raw)
    if (raw.headers.te !== undefined) context.takesTrailers = acceptsTrailers(raw)
    if (hasBody) context.isTrailerDropped = trailerRuleFor(raw)
    if (downstream.isUpgrade) context.upgrade = wantedProtocols(raw)
    context.maxBody = admission.maxBody
    if (!isBodyUntouched(request)) return this.#forwardOtherBody(downstream, context)
    if (hasBody) {
      context.body = raw
      context.expectsContinue = expectsContinue(raw)
      keepWhole(downstream, context, readAheadLimits)
    }
    const copy = mirror?.begin(downstream, hasBody, context.wholeBody)
    reply.from('/', this.#replyFrom)
    copy?.start(context)
    return isHandlerAwaited(appHooks) ? reply : undefined
  }

  /** Forwards a request whose body is not, or no longer, the one that the client sends. */
  #forwardOtherBody(downstream: HttpDownstream, context: ProxyContext): FastifyReply {
    const { request, reply } = downstream
    const { bodyLimits } = this.#rulesOf(request.raw)
    findBodyToSend(request, bodyLimits, (error, found) => {
      if (reply.sent || context.isOver) return
      if (!found) {
        context.attempts = 0
        downstream.inContext(sendError, reply, error)
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
    const { requestFields } = this.#rulesOf(request.raw)
    setRequestFields(downstreamOf(request) as HttpDownstream, context, requestFields)
    return context
  }

  /** 7. Sends the response of a backend. (Until one has responded, upstream/forwarder.ts retries and hedges.) */
  readonly #respond = (
    request: FastifyRequest,
    reply: FastifyReply,
    body: UpstreamResponse['body'],
  ): void => {
    const context = contextOf(request) as ProxyContext
    const { responseFields, appHooks } = this.#rulesOf(request.raw)
    const { endsConnections } = (downstreamOf(request) as HttpDownstream).target.balancer
    sendResponse(reply, context, body, responseFields, appHooks, endsConnections)
  }

  /** 8. Ends the request. `fail` and `arrive` also end it; release.ts explains why there are three places. */
  readonly end: onResponseHookHandler = (request, _reply, done) => {
    release(contextOf(request))
    done()
  }

  readonly fail: onErrorHookHandler = (request, reply, error, done) => {
    const code = refusalCodeOf(error)
    if (code !== undefined && isOpen(request.raw, reply.raw))
      downstreamOf(request)?.target.balancer.refused(code)
    release(contextOf(request))
    done()
  }
}

function sendError(reply: FastifyReply, error: Error | null): void {
  reply.send(error)
}
