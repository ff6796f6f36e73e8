import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import jwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import leastwise, { type LeastwiseOptions } from '../../src/index.js'
import { answering, deadUrl, TestBackend } from '../support/backend.js'
import { call, type Reply } from '../support/client.js'
import { RawClient } from '../support/raw.js'

const backend = await answering()
after(() => backend.close())

type Hook = (request: FastifyRequest, reply: FastifyReply) => unknown

/** An app whose requests pass `hook`, under a pool and beside it. */
async function guarded(hook: Hook, options: Partial<LeastwiseOptions> = {}): Promise<FastifyInstance> {
  const app = Fastify()
  app.addHook('onRequest', async (request, reply) => hook(request, reply))
  app.get('/own', async () => 'own')
  await app.register(leastwise, { prefix: '/api', backends: [backend.url], ...options })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app
}

/** What of an answer is the same wherever it is given. */
const shape = ({ status, headers, text }: Reply) => ({
  status,
  type: headers['content-type'],
  wait: headers['retry-after'],
  challenge: headers['www-authenticate'],
  body: JSON.parse(text),
})

const refusals: Record<string, Hook> = {
  'an error with a status and a code': () => {
    throw Object.assign(new Error('not yours'), { statusCode: 403, code: 'APP_FORBIDDEN' })
  },
  'an error without a code': () => {
    throw Object.assign(new Error('who are you'), { statusCode: 401 })
  },
  'an error with `status`': () => {
    throw Object.assign(new Error('gone'), { status: 410 })
  },
  'a status on the reply': (_request, reply) => reply.code(401).send(new Error('who are you')),
  'a status on both': (_request, reply) =>
    reply.code(401).send(Object.assign(new Error('no'), { statusCode: 403 })),
  'headers of the hook': (_request, reply) => {
    reply.header('retry-after', '7').header('www-authenticate', 'Basic realm="app"')
    throw Object.assign(new Error('slower'), { statusCode: 429 })
  },
  'headers of the error': () => {
    throw Object.assign(new Error('slower'), { statusCode: 429, headers: { 'retry-after': '9' } })
  },
  'an overload that the hook says': () => {
    throw Object.assign(new Error('maintenance'), { statusCode: 503, code: 'MAINTENANCE' })
  },
  'an object that is no error': () => {
    throw { statusCode: 429, message: 'slower', code: 429, expiresIn: 5 }
  },
  'a number for a code': () => {
    throw Object.assign(new Error('no'), { statusCode: 403, code: 1234 })
  },
  'a status of 4xx that Fastify has codes for': () => {
    throw Object.assign(new Error('no JSON'), { statusCode: 400, code: 'APP_BAD' })
  },
}

for (const [what, hook] of Object.entries(refusals)) {
  test(`a hook refuses with ${what}: a client is told as on the app's own routes`, async (t) => {
    const app = await guarded(hook)
    t.after(() => app.close())
    const proxied = await call(`${app.listeningOrigin}/api/x`)
    const own = await call(`${app.listeningOrigin}/own`)
    assert.deepEqual(shape(proxied), shape(own))
    const { registry } = app.balancer
    assert.deepEqual([registry.inFlight, registry.list()[0]?.leases.total], [0, 0])
  })
}

test('a hook that breaks gives nothing away, whatever it throws', async (t) => {
  const thrown: unknown[] = [new Error('password=hush'), 'password=hush', { message: 'password=hush' }]
  for (const error of thrown) {
    const app = await guarded(() => {
      throw error
    })
    t.after(() => app.close())
    const answer = await call(`${app.listeningOrigin}/api/x`)
    assert.deepEqual(JSON.parse(answer.text), {
      statusCode: 500,
      code: 'LEASTWISE_INTERNAL',
      error: 'Internal Server Error',
      message: 'internal error',
    })
  }
})

test('hooks that come after the lease refuse alike, and give it back', async (t) => {
  for (const phase of ['preParsing', 'preValidation', 'preHandler'] as const) {
    const app = Fastify()
    t.after(() => app.close())
    app.addHook(phase as 'preHandler', async () => {
      throw Object.assign(new Error('not yours'), { statusCode: 403, code: 'APP_FORBIDDEN' })
    })
    await app.register(leastwise, { prefix: '/api', backends: [backend.url] })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const answer = await call(`${url}/api/x`, { method: 'POST', body: 'x' })
    assert.deepEqual([answer.status, JSON.parse(answer.text).code], [403, 'APP_FORBIDDEN'], phase)
    assert.equal(app.balancer.registry.inFlight, 0)
  }
})

test('what @fastify/rate-limit and @fastify/jwt say is said on proxied routes, too', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(rateLimit, { max: 1, timeWindow: 60_000, keyGenerator: ({ url }) => url })
  await app.register(jwt, { secret: 'a secret of the app' })
  app.addHook('onRequest', async (request) => {
    if (request.url.endsWith('/locked')) await request.jwtVerify()
  })
  await app.register(leastwise, { prefix: '/api', backends: [backend.url] })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const locked = await call(`${url}/api/locked`)
  assert.deepEqual(
    [locked.status, JSON.parse(locked.text).code, locked.headers['www-authenticate']],
    [401, 'FST_JWT_NO_AUTHORIZATION_IN_HEADER', undefined],
  )
  assert.equal((await call(`${url}/api/x`)).status, 200)
  const limited = await call(`${url}/api/x`)
  assert.equal(limited.status, 429)
  assert.match(JSON.parse(limited.text).message, /^Rate limit exceeded/)
  assert.equal('code' in JSON.parse(limited.text), false)
  assert.equal(Number(limited.headers['retry-after']) > 1, true)
  assert.equal(limited.headers['x-ratelimit-limit'], '1')
  // Its hook is one of the route, and the lease is taken after all of those.
  assert.equal(app.balancer.registry.list()[0]?.leases.total, 1)
})

test('the log has the code of a hook, or the name of an error without one', async (t) => {
  const lines: string[] = []
  const app = Fastify({
    logger: { level: 'info', stream: { write: (line: string) => void lines.push(line) } },
  })
  t.after(() => app.close())
  app.addHook('preHandler', async ({ url }) => {
    const code = url.endsWith('/coded') ? { code: 'APP_FORBIDDEN' } : {}
    throw Object.assign(new TypeError('no'), { statusCode: 403, ...code })
  })
  await app.register(leastwise, { prefix: '/api', backends: [backend.url], accessLog: true })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  for (const path of ['coded', 'plain']) await call(`${url}/api/${path}`)
  const errors = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request')
  assert.deepEqual(
    errors.map(({ error, outcome }) => [error, outcome]),
    [
      ['APP_FORBIDDEN', 'refused'],
      ['TypeError', 'refused'],
    ],
  )
})

/** A handler as apps have it, which passes on what it does not know. */
function handler(calls: string[]) {
  return (
    error: Error & { code?: string; statusCode?: number },
    _request: FastifyRequest,
    reply: FastifyReply,
  ) => {
    calls.push(error.code ?? error.name)
    if (error.code === 'APP_UNKNOWN') return reply.send(error)
    return reply.send({ ours: error.code, status: error.statusCode })
  }
}

for (const when of ['before', 'after'] as const) {
  test(`errors: 'app': the app's error handler answers, if it was set ${when} the pool`, async (t) => {
    const calls: string[] = []
    const app = Fastify()
    t.after(() => app.close())
    if (when === 'before') app.setErrorHandler(handler(calls))
    app.addHook('onRequest', async (request) => {
      const code = request.headers['x-code']
      if (code) throw Object.assign(new Error('no'), { statusCode: 418, code })
    })
    await app.register(leastwise, { prefix: '/none', errors: 'app' })
    await app.register(leastwise, { name: 'dead', prefix: '/dead', backends: [deadUrl()], errors: 'app' })
    await app.register(leastwise, { name: 'own', prefix: '/own', errors: 'own' })
    if (when === 'after') app.setErrorHandler(handler(calls))
    const url = await app.listen({ port: 0, host: '127.0.0.1' })

    const none = await call(`${url}/none/x`)
    assert.deepEqual(
      [none.status, none.text, none.headers['retry-after']],
      [503, '{"ours":"LEASTWISE_NO_BACKEND","status":503}', '1'],
    )
    assert.ok(none.headers['x-request-id'])
    const dead = await call(`${url}/dead/x`)
    assert.deepEqual([dead.status, dead.text], [502, '{"ours":"LEASTWISE_BAD_GATEWAY","status":502}'])
    const passed = await call(`${url}/none/x`, { headers: { 'x-code': 'APP_UNKNOWN' } })
    assert.deepEqual(
      [passed.status, JSON.parse(passed.text)],
      [418, { statusCode: 418, code: 'APP_UNKNOWN', error: "I'm a Teapot", message: 'no' }],
    )
    assert.deepEqual(calls.splice(0), ['LEASTWISE_NO_BACKEND', 'LEASTWISE_BAD_GATEWAY', 'APP_UNKNOWN'])
    assert.equal(JSON.parse((await call(`${url}/own/x`)).text).code, 'LEASTWISE_NO_BACKEND')
    assert.deepEqual(calls, [])
  })
}

test("errors: 'app' without a handler of the app is Fastify's own answer", async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(leastwise, { prefix: '/api', errors: 'app' })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const { status, text, headers } = await call(`${url}/api/x`)
  const { statusCode, code, error } = JSON.parse(text)
  assert.deepEqual(
    [status, statusCode, code, error, headers['retry-after']],
    [503, 503, 'LEASTWISE_NO_BACKEND', 'Service Unavailable', '1'],
  )
})

test("errors: 'app': the connection is closed where a body is left unread, and no field of a backend is left", async (t) => {
  const calls: string[] = []
  const app = Fastify()
  t.after(() => app.close())
  app.setErrorHandler(handler(calls))
  app.addHook('onSend', async (request) => {
    if (request.url.endsWith('/spoiled') && calls.length === 0) throw new Error('onSend broke')
  })
  const spoken = await new TestBackend((_request, response) => {
    response.writeHead(201, 'Made Up', { 'x-backend': 'yes', 'content-length': '4' }).end('body')
  }).listen()
  t.after(() => spoken.close())
  await app.register(leastwise, { prefix: '/none', errors: 'app' })
  await app.register(leastwise, { name: 'spoken', prefix: '/api', backends: [spoken.url], errors: 'app' })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const spoiled = await call(`${url}/api/spoiled`)
  assert.equal(spoiled.headers['x-backend'], undefined)
  assert.deepEqual(calls.splice(0), ['Error'])
  const client = new RawClient(url).send('POST /none/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc')
  const answer = await client.untilClosed()
  assert.match(answer, /^HTTP\/1\.1 503 Service Unavailable\r\n/)
  assert.match(answer, /\r\nconnection: close\r\n/i)
})

test("an app's error handler does not answer what the gateway does by itself", async (t) => {
  const calls: string[] = []
  const app = Fastify()
  t.after(() => app.close())
  app.setErrorHandler(handler(calls))
  await app.register(leastwise, { prefix: '/api' })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  assert.equal(JSON.parse((await call(`${url}/api/x`)).text).code, 'LEASTWISE_NO_BACKEND')
  assert.deepEqual(calls, [])
})
