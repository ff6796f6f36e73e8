import type { FastifyInstance, FastifyReply, onSendHookHandler } from 'fastify'
import { symbolOf } from './fastify-internals.js'
import { hasHooks } from './hooks.js'

/**
 * Removes Content-Length from a response to which a hook of the app adds trailers. Fastify sends such a response in
 * chunks, but leaves the backend's Content-Length beside Transfer-Encoding, which RFC 9112 section 6.2 forbids. This
 * function is called before onSend hooks run, and again by the last onSend hook.
 */
export function dropLengthOfTrailed(reply: FastifyReply): void {
  const symbol = symbolOf(reply, 'fastify.reply.trailers')
  const trailers = symbol && (reply as unknown as Record<symbol, object | null>)[symbol]
  if (trailers && reply.hasHeader('content-length')) reply.removeHeader('content-length')
}

const onSend: onSendHookHandler = (_request, reply, payload, done) => {
  dropLengthOfTrailed(reply)
  done(null, payload)
}

/**
 * Makes the last onSend hook of each route call {@link dropLengthOfTrailed}, where the app has onSend hooks. Call this
 * before the routes are added.
 */
export function watchTrailers(scope: FastifyInstance): void {
  scope.addHook('onRoute', (route) => {
    const earlier = [route.onSend ?? []].flat()
    if (earlier.length > 0 || hasHooks(scope, ['onSend'])) route.onSend = [...earlier, onSend]
  })
}
