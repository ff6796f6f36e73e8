import type { FastifyReplyFromHooks } from '@fastify/reply-from'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ProxyContext } from './context.js'
import type { ResponseCallback, UpstreamResponse } from './http/response.js'
import type { LeaseDispatcher } from './upstream/dispatcher.js'

/**
 * The key under which a request's context passes through reply-from. What reply-from hands to its client is made of the
 * URL, the body and the header fields, and only an object of header fields arrives as the caller made it: so the
 * context goes in that object, which has nothing else in it.
 */
const CONTEXT = Symbol('leastwise.context')

interface ReplyFromRequest {
  method: string
  headers: { [CONTEXT]: ProxyContext }
}

/**
 * The object that reply-from takes for undici. Errors go past reply-from, which would log each with a stack: the line of
 * the request in the log has the code.
 */
export function replyFromClient(dispatcher: LeaseDispatcher) {
  return {
    request({ method, headers }: ReplyFromRequest, callback: ResponseCallback): void {
      const context = headers[CONTEXT]
      context.method = method
      dispatcher.forward(context, (error, response) => {
        if (error) context.downstream.fail(error)
        else callback(null, response)
      })
    },
    destroy: () => dispatcher.destroy(),
  }
}

/** What happens to a request inside `reply.from`. */
export interface ForwardSteps {
  /** Makes the fields of the request for the backend; returns its context, which has them. */
  setFields(request: FastifyRequest): ProxyContext
  /** Sends the backend's response to the client. */
  respond(request: FastifyRequest, reply: FastifyReply, body: UpstreamResponse['body']): void
}

/** A constant, as reply-from parses the URL of each one that it has not seen lately. The lease says which backend is asked. */
const UPSTREAM = 'http://backend'

const NO_FIELDS = Object.freeze({})

/**
 * The options of `reply.from` for all requests of a pool. Path, fields and body of a request are in its context:
 * reply-from would send the path through a URL parser, copy the fields three times, and take no body with GET.
 */
export function replyFromHooks(steps: ForwardSteps): FastifyReplyFromHooks {
  const hooks = {
    getUpstream: () => UPSTREAM,
    rewriteRequestHeaders: (request: FastifyRequest) => ({ [CONTEXT]: steps.setFields(request) }),
    // The fields of the response are set in `respond`, where the reply is at hand.
    rewriteHeaders: () => NO_FIELDS,
    onResponse(request: FastifyRequest, reply: FastifyReply, { stream }: { stream: unknown }) {
      steps.respond(request, reply, stream as UpstreamResponse['body'])
    },
  }
  return hooks as unknown as FastifyReplyFromHooks
}
