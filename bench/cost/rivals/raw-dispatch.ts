import Fastify from 'fastify'
import { dispatcherTo } from './dispatch.js'

/** The least that a proxy on Fastify and undici can do. */
const dispatch = dispatcherTo(process.argv[2] as string)
const app = Fastify()
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
app.route({
  method: ['GET', 'POST'],
  url: '/*',
  handler({ raw }, reply) {
    reply.hijack()
    dispatch(raw, reply.raw)
  },
})
await app.listen({ host: '127.0.0.1', port: 0 })
process.on('disconnect', () => process.exit())
process.send?.(app.listeningOrigin)
