import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'

/** @fastify/http-proxy as it comes, to one backend, without a log. */
const app = Fastify()
await app.register(httpProxy, { upstream: process.argv[2] as string, disableRequestLogging: true })
await app.listen({ host: '127.0.0.1', port: 0 })
process.on('disconnect', () => process.exit())
process.send?.(app.listeningOrigin)
