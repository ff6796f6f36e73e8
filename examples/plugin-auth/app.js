import jwt from '@fastify/jwt'
import closeWithGrace from 'close-with-grace'
import Fastify from 'fastify'
import leastwise from 'leastwise'

const {
  PORT = '3000',
  BACKENDS = 'http://127.0.0.1:8081,http://127.0.0.1:8082',
  JWT_SECRET: secret,
} = process.env
if (!secret) throw new Error('JWT_SECRET has to be set')

const app = Fastify({ logger: true })
await app.register(jwt, { secret, sign: { expiresIn: '1h' } })

// Everybody is let in here. Yours checks a password.
const login = { body: { type: 'object', required: ['user'], properties: { user: { type: 'string' } } } }
app.post('/login', { schema: login }, async (request) => ({
  token: app.jwt.sign({ sub: request.body.user }),
}))

// The hook is for this scope alone: what is registered outside needs no token.
await app.register(async (scope) => {
  scope.addHook('onRequest', async (request) => {
    const { sub } = await request.jwtVerify()
    request.headers['x-user'] = sub
    delete request.headers.authorization
  })
  await scope.register(leastwise, { prefix: '/api', backends: BACKENDS.split(','), healthPath: '/healthz' })
})

// Above drainTimeout, which is 30 seconds: requests in flight may take that long.
closeWithGrace({ delay: 35_000 }, () => app.close())
await app.listen({ port: Number(PORT) })
