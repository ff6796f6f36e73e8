import type { FastifyInstance, FastifyReply, onSendHookHandler } from 'fastify'
import { symbolOf } from './fastify-internals.js'
import { hasHooks } from './hooks.js'

/**
 * Takes the length off a response to which a hook of the app adds trailers. Fastify sends such a response in chunks, and
 * leaves a Content-Length of the backend beside Transfer-Encoding, which RFC 9112 section 6.2 forbids. It is called
 * before onSend hooks run, and by the last of them.
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

/** Has the last onSend hook of each route do that, where the app has such hooks. To be called before the routes are added. */
export function watchTrailers(scope: FastifyInstance): void {
  scope.addHook('onRoute', (route) => {
    const earlier = [route.onSend ?? []].flat()
    if (earlier.length > 0 || hasHooks(scope, ['onSend'])) route.onSend = [...earlier, onSend]
  })
}
