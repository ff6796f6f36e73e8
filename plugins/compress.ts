import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { compressed } from '../src/proxy/downstream/response/compression.js'

/**
 * Compresses the responses of a scope with Brotli or gzip. It does so itself: @fastify/compress takes a text that begins
 * with `80`, `hb` or `x ` for one that is compressed already, and sends it as it is under `Content-Encoding: gzip`.
 */
export const compressPlugin: FastifyPluginAsync = fp(
  async (scope) => {
    scope.addHook('onSend', (request, reply, payload, done) =>
      done(null, compressed(request, reply, payload)),
    )
  },
  { name: 'leastwise-compress', fastify: '5.x' },
)
