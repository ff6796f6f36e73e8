import { ClientGoneError } from '../balancer/errors.js'
import type { ProxyContext } from './context.js'

/**
 * Ends a proxied request for its client: no further backend is asked, and what a backend still does for it is stopped.
 * It may be called any number of times, also where the backend is done, as it is after a whole response. Three places
 * call it, because no event of Node or Fastify comes once, and in time, for every way in which a request can end:
 *
 * - When its exchange on the connection is over (`onFinished` in downstream/connection/pipeline.ts). This is the only call
 *   for a client that leaves, in the queue, before the response or in the middle of it; for a connection on which it was
 *   pipelined and whose turn had not come; for a response that breaks off; and for a connection that became a tunnel.
 *   `onRequestAbort` of Fastify is not used, as it does not come for a request whose body was read.
 * - By the hook `onResponse`, for a hook of the app that answers instead of the backend. It comes when the response
 *   was written, while a stream of HTTP/2 is over only once its client has closed it as well.
 * - By the hook `onError`, for a hook or a handler that fails while the request has a lease. The error response may have
 *   to wait for earlier responses of the connection, or for a client that reads slowly; the lease need not.
 */
export function release(context: ProxyContext | undefined): void {
  if (!context) return
  context.isOver = true
  context.leaveQueue?.()
  // The hedge is cut first; otherwise the end of the other attempt would make the hedge the only attempt.
  context.hedge?.cut(new ClientGoneError())
  if (context.lease.held) context.lease.cut(new ClientGoneError())
}
