import type { FastifyReplyFromHooks } from '@fastify/reply-from'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ProxyContext } from './context.js'
import type { ResponseCallback, UpstreamResponse } from './http/response.js'
import type { Forwarding } from './upstream/forwarding.js'

/**
 * The key under which a request's context passes through reply-from. reply-from makes the arguments for its client from
 * the URL, the body and the header fields, and only an object of header fields arrives as the caller made it. Therefore
 * the context travels in that object, which contains nothing else.
 */
const CONTEXT = Symbol('leastwise.context')
/** The key of what forwards the request, which travels in the same way. */
const FORWARDING = Symbol('leastwise.forwarding')

interface ReplyFromRequest {
  method: string
  headers: { [CONTEXT]: ProxyContext; [FORWARDING]: Forwarding }
}

/**
 * The object that reply-from uses as its undici client. Errors bypass reply-from, which would log each one with a
 * stack; the request's own log line already has the error code.
 */
export function replyFromClient() {
  return {
    request({ method, headers }: ReplyFromRequest, callback: ResponseCallback): void {
      const context = headers[CONTEXT]
      context.method = method
      headers[FORWARDING].forward(context, (error, response) => {
        context.downstream.inContext(answer, context, callback, error, response)
      })
    },
    // The connections belong to the pools.
    destroy() {},
  }
}

function answer(
  { downstream }: ProxyContext,
  callback: ResponseCallback,
  error: Error | null,
  response: UpstreamResponse | undefined,
): void {
  if (error) downstream.fail(error)
  else callback(null, response)
}

/** What happens to a request inside `reply.from`. */
export interface ForwardSteps {
  /** Makes the header fields for the backend and returns the context that contains them. */
  setFields(request: FastifyRequest): ProxyContext
  /** Returns what forwards the request. */
  forwardingOf(request: FastifyRequest): Forwarding
  /** Sends the backend's response to the client. */
  respond(request: FastifyRequest, reply: FastifyReply, body: UpstreamResponse['body']): void
}

/**
 * The upstream URL is a constant, because reply-from parses every URL that it has not seen lately. The lease says which
 * backend is asked.
 */
const UPSTREAM = 'http://backend'

const NO_FIELDS = Object.freeze({})

/**
 * The options of `reply.from` for all requests of a pool. Path, fields and body of a request travel in its context,
 * because reply-from would send the path through a URL parser, copy the fields three times, and accept no body with
 * GET.
 */
export function replyFromHooks(steps: ForwardSteps): FastifyReplyFromHooks {
  const hooks = {
    getUpstream: () => UPSTREAM,
    rewriteRequestHeaders: (request: FastifyRequest) => ({
      [CONTEXT]: steps.setFields(request),
      [FORWARDING]: steps.forwardingOf(request),
    }),
    // `respond` sets the fields of the response, because it has the reply.
    rewriteHeaders: () => NO_FIELDS,
    onResponse(request: FastifyRequest, reply: FastifyReply, { stream }: { stream: unknown }) {
      steps.respond(request, reply, stream as UpstreamResponse['body'])
    },
  }
  return hooks as unknown as FastifyReplyFromHooks
}
