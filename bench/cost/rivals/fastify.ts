import { finished } from 'node:stream'
import Fastify from 'fastify'
import { answerTo } from './pieces.js'

/** What it costs Fastify to take a request and to answer it: no gateway on it can be cheaper. */
const app = Fastify()
// As every proxy on Fastify does it: bodies are not parsed.
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
app.get('/*', ({ raw }, reply) => {
  reply.type('text/plain; charset=utf-8').send(answerTo(raw.url as string))
})
app.post('/*', ({ raw }, reply) => {
  finished(raw.resume(), () => reply.send(answerTo(raw.url as string)))
})
await app.listen({ host: '127.0.0.1', port: 0 })
process.on('disconnect', () => process.exit())
process.send?.(app.listeningOrigin)
