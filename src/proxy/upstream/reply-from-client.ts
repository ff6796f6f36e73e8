import type { ProxyContext } from '../context.js'
import type { ResponseCallback } from '../http/response.js'
import type { LeaseDispatcher } from './dispatcher.js'

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

/** What `rewriteRequestHeaders` returns to reply-from. */
export function headersFor(context: ProxyContext): object {
  return { [CONTEXT]: context }
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
