import type { FastifyInstance, FastifyReply, onSendHookHandler } from 'fastify'
import { symbolOf } from './fastify-internals.js'
import { hasHooks } from './hooks.js'

/**
 * Prepares a response to which a hook of the app adds trailers. Fastify sends it in chunks, but leaves the backend's
 * Content-Length beside Transfer-Encoding, which RFC 9112 section 6.2 forbids: Content-Length is removed. Where the
 * client or the response takes no chunks, the trailers are dropped. This function is called before onSend hooks run, and
 * again by the last onSend hook.
 * @returns whether the response still has trailers of the app
 */
export function fitAppTrailers(reply: FastifyReply): boolean {
  const symbol = symbolOf(reply, 'fastify.reply.trailers')
  const own = reply as unknown as Record<symbol, object | null>
  if (!symbol || !own[symbol]) return false
  if (!mayBeChunked(reply)) {
    own[symbol] = null
    return false
  }
  if (reply.hasHeader('content-length')) reply.removeHeader('content-length')
  return true
}

/** Whether a response may have a body in chunks. HTTP/2 frames each body itself, and trailers may follow any. */
function mayBeChunked({ request, statusCode }: FastifyReply): boolean {
  const { httpVersionMajor, httpVersionMinor, method } = request.raw
  if (httpVersionMajor !== 1) return true
  return httpVersionMinor > 0 && statusCode !== 204 && statusCode !== 304 && method !== 'HEAD'
}

/**
 * Removes the field in which a backend announces trailers, where hooks have left a response that is not sent in chunks.
 * Node would throw for such a response.
 */
function fitAnnouncement(reply: FastifyReply, payload: unknown): void {
  if (!reply.hasHeader('trailer') || reply.request.raw.httpVersionMajor !== 1) return
  if (!mayBeChunked(reply) || reply.hasHeader('content-length') || !isStream(payload))
    reply.removeHeader('trailer')
}

/** Whether Fastify sends a body as a stream, and so without a Content-Length of its own. */
function isStream(payload: unknown): boolean {
  const { pipe, getReader } = (payload ?? {}) as { pipe?: unknown; getReader?: unknown }
  return typeof pipe === 'function' || typeof getReader === 'function'
}

const onSend: onSendHookHandler = (_request, reply, payload, done) => {
  if (!fitAppTrailers(reply)) fitAnnouncement(reply, payload)
  done(null, payload)
}

/**
 * Makes the last onSend hook of each route fit trailers to what is sent, where the app has onSend hooks. Call this
 * before the routes are added.
 */
export function watchTrailers(scope: FastifyInstance): void {
  scope.addHook('onRoute', (route) => {
    const earlier = [route.onSend ?? []].flat()
    if (earlier.length > 0 || hasHooks(scope, ['onSend'])) route.onSend = [...earlier, onSend]
  })
}
