import closeWithGrace from 'close-with-grace'
import Fastify from 'fastify'
import leastwise from 'leastwise'

const { PORT = '3000', BACKENDS = 'http://127.0.0.1:8081,http://127.0.0.1:8082' } = process.env

const app = Fastify({ logger: true })
await app.register(leastwise, {
  prefix: '/chat',
  backends: BACKENDS.split(','),
  // A connection that stays open is cut after this many milliseconds when the app closes or its backend is drained.
  drainTimeout: 5_000,
})

closeWithGrace({ delay: 10_000 }, () => app.close())
await app.listen({ port: Number(PORT) })
