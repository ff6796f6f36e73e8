import Fastify from 'fastify'
import leastwise from '../../../src/index.js'

/** The plugin in an app that does nothing else. */
const app = Fastify()
await app.register(leastwise, { backends: process.argv.slice(2), healthPath: '/health' })
await app.listen({ host: '127.0.0.1', port: 0 })
process.on('disconnect', () => process.exit())
process.send?.(app.listeningOrigin)
