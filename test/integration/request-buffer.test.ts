import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import http2 from 'node:http2'
import { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import rawBody from 'fastify-raw-body'
import leastwise from '../../src/index.js'
import { deadUrl, TestBackend } from '../support/backend.js'
import { call } from '../support/client.js'
import { type Gateway, noPassiveHealth, openGateway } from '../support/gateway.js'
import { RawBackend, RawClient, type Script } from '../support/raw.js'

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const reset: Script = (socket) => socket.resetAndDestroy()

const hashOf = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')

/** Answers with the hash, the length and the trailers of what came. */
async function hashing(t: TestContext): Promise<TestBackend> {
  const backend = await new TestBackend(async (request, response) => {
    const bytes = await buffer(request).catch(() => undefined)
    const { trailers } = request
    if (bytes) response.end(JSON.stringify({ hash: hashOf(bytes), length: bytes.length, trailers }))
  }).listen()
  t.after(() => backend.close())
  return backend
}

async function raw(t: TestContext, script: Script): Promise<RawBackend> {
  const backend = await new RawBackend(script).listen()
  t.after(() => backend.close())
  return backend
}

async function opened(
  t: TestContext,
  backends: (string | { url: string })[],
  env: Record<string, string>,
): Promise<Gateway> {
  const gateway = await openGateway(backends, { ...noPassiveHealth, POLICY: 'round-robin', ...env })
  t.after(async () => {
    await gateway.settled()
    await gateway.close()
    assert.deepEqual(gateway.complaints, [])
  })
  return gateway
}

const total = ({ balancer }: Gateway) =>
  balancer.registry.list().reduce((sum, { leases }) => sum + leases.total, 0)

const head = (framing: string, method = 'POST') => `${method} / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`
const post = (length: number, method?: string) => head(`Content-Length: ${length}`, method)
const CHUNKED = 'Transfer-Encoding: chunked'
const chunkOf = (part: string) => `${part.length.toString(16)}\r\n${part}\r\n`

/** Bytes of any value, as text with a character for each. */
const bytesOf = (length: number) =>
  Buffer.from(Array.from({ length }, (_, i) => (i * i + (i >> 8)) % 256)).toString('latin1')

/** Lets the gateway read what was sent before: its answer to a request that was sent later. */
async function afterReading(gateway: Gateway): Promise<void> {
  for (let i = 0; i < 2; i++) {
    const client = new RawClient(gateway.url).send('TRACE / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until('405')
    client.close()
  }
}

test('slow uploads hold no place on a backend: others are answered meanwhile, and each arrives whole', async (t) => {
  const backends = [await hashing(t), await hashing(t)]
  const gateway = await opened(t, backends, {
    REQUEST_BUFFER: '65536',
    MAX_CONNECTIONS: '1',
    QUEUE_LIMIT: '0',
  })
  const bodies = Array.from({ length: 6 }, (_, i) => bytesOf(4000 + i))
  const clients = bodies.map((body) => new RawClient(gateway.url).send(post(body.length)))
  for (let at = 0; at < 3; at++) {
    for (const [i, client] of clients.entries())
      client.send((bodies[i] as string).slice(at * 1000, at * 1000 + 1000))
    await afterReading(gateway)
    assert.equal(gateway.balancer.registry.inFlight, 0)
    assert.equal((await call(gateway.url)).status, 200)
    assert.equal((await call(gateway.url, { method: 'POST', body: 'fast' })).status, 200)
  }
  assert.equal(total(gateway), 6, 'none of the slow ones')
  for (const [i, client] of clients.entries()) {
    const body = bodies[i] as string
    const answer = await client.send(body.slice(3000)).until('}}')
    assert.match(answer, /^HTTP\/1\.1 200 /)
    assert.ok(answer.includes(hashOf(Buffer.from(body, 'latin1'))), `upload ${i}`)
    client.close()
    await gateway.settled()
  }
})

for (const limit of [1000, 150_000]) {
  test(`a body of any size, in any pieces, arrives byte for byte: REQUEST_BUFFER=${limit}`, async (t) => {
    const gateway = await opened(t, [await hashing(t)], { REQUEST_BUFFER: String(limit) })
    const client = new RawClient(gateway.url)
    for (const length of [0, 1, limit - 1, limit, limit + 1, 3 * limit + 7]) {
      const body = bytesOf(length)
      for (const pieces of [1, 3]) {
        const size = Math.ceil(length / pieces)
        const parts = Array.from({ length: pieces }, (_, i) => body.slice(i * size, (i + 1) * size)).filter(
          Boolean,
        )
        const wholes = [
          { opening: post(length), parts, ending: '', trailers: {} },
          { opening: head(CHUNKED), parts: parts.map(chunkOf), ending: '0\r\n\r\n', trailers: {} },
          {
            opening: head(`${CHUNKED}\r\nTrailer: x-sum`),
            parts: parts.map(chunkOf),
            ending: '0\r\nx-sum: 42\r\n\r\n',
            trailers: { 'x-sum': '42' },
          },
        ]
        for (const { opening, parts, ending, trailers } of wholes) {
          client.text = ''
          if (pieces === 1) client.send(opening + parts.join('') + ending)
          else {
            for (const part of [opening, ...parts, ending].filter(Boolean)) {
              client.send(part)
              await setImmediate()
            }
          }
          await client.until(/\}$/)
          const found = JSON.parse(client.text.slice(client.text.indexOf('{')))
          assert.deepEqual(
            found,
            { hash: hashOf(Buffer.from(body, 'latin1')), length, trailers },
            `${length} in ${pieces}`,
          )
        }
      }
    }
    client.close()
  })
}

test('of a larger body the beginning is waited for, and the rest is passed on as it comes', async (t) => {
  const backend = await raw(t, OK)
  const gateway = await opened(t, [backend], { REQUEST_BUFFER: '1000' })
  for (const [opening, part, ending] of [
    [post(3000), (text: string) => text, ''],
    [head(CHUNKED), chunkOf, '0\r\n\r\n'],
  ] as const) {
    const before = total(gateway)
    const client = new RawClient(gateway.url).send(opening + part('x'.repeat(999)))
    await afterReading(gateway)
    assert.equal(total(gateway), before)
    client.send(part('yz'))
    await backend.until(({ unfinished }) => unfinished.includes('yz'))
    assert.equal(gateway.balancer.registry.inFlight, 1)
    client.send(part('e'.repeat(1999)) + ending)
    await client.until(/ok$/)
    client.close()
    await gateway.settled()
    backend.unfinished = ''
  }
})

test('requests that are sent ahead are answered in order', async (t) => {
  const gateway = await opened(t, [await hashing(t)], { REQUEST_BUFFER: '1000' })
  const client = new RawClient(gateway.url)
  const one = (body: string) => post(body.length) + body
  client.send(
    `${one('first')}GET / HTTP/1.1\r\nHost: a\r\n\r\n${one('x'.repeat(2000))}${head(CHUNKED)}${chunkOf('la')}`,
  )
  await client.until(/("length":.*){3}/s)
  client.send(`${chunkOf('st')}0\r\n\r\n`)
  await client.until(/("length":.*){4}/s)
  const lengths = [...client.text.matchAll(/"length":(\d+)/g)].map(([, length]) => Number(length))
  assert.deepEqual(lengths, [5, 0, 2000, 4])
  client.close()
})

for (const [how, leave] of [
  ['by FIN', (client: RawClient) => client.socket.end()],
  ['by closing', (client: RawClient) => client.close()],
  ['by RST', (client: RawClient) => client.reset()],
] as const) {
  test(`a client that leaves ${how} leaves nothing behind, at whatever moment`, async (t) => {
    const backend = await raw(t, () => {})
    const gateway = await opened(t, [backend], { REQUEST_BUFFER: '1000', BODY_TIMEOUT: '0' })
    for (const begun of [
      post(500),
      `${post(500)}half`,
      head(CHUNKED),
      `${head(CHUNKED)}${chunkOf('half')}`,
      `${head(CHUNKED)}4\r\nha`,
    ]) {
      const client = new RawClient(gateway.url).send(begun)
      await afterReading(gateway)
      leave(client)
      await client.untilClosed()
    }
    await afterReading(gateway)
    assert.deepEqual([total(gateway), backend.connections], [0, 0])
    for (const begun of [`${post(4)}full`, `${post(2000)}${'x'.repeat(1200)}`]) {
      const client = new RawClient(gateway.url).send(begun)
      await backend.until(({ sockets }) => sockets.size === 1)
      leave(client)
      await backend.until(({ sockets }) => sockets.size === 0)
      await gateway.settled()
    }
  })
}

test('a client that is silent in the middle gets 408 after BODY_TIMEOUT, without a lease', async (t) => {
  const gateway = await opened(t, [deadUrl()], { REQUEST_BUFFER: '1000', BODY_TIMEOUT: '100' })
  for (const begun of [`${post(500)}half`, post(500), `${head(CHUNKED)}${chunkOf('half')}`]) {
    const answer = await new RawClient(gateway.url).send(begun).untilClosed()
    assert.match(answer, /^HTTP\/1\.1 408 [\s\S]*LEASTWISE_REQUEST_TIMEOUT/)
  }
  assert.equal(total(gateway), 0)
})

test('MAX_BODY: a body that is too large is 413 as soon as that is known, without a lease', async (t) => {
  const gateway = await opened(t, [deadUrl()], { REQUEST_BUFFER: '1000', MAX_BODY: '10' })
  for (const begun of [post(11), `${head(CHUNKED)}${chunkOf('12345')}${chunkOf('678901')}`]) {
    const client = new RawClient(gateway.url).send(begun)
    assert.match(await client.until('}'), /^HTTP\/1\.1 413 [\s\S]*LEASTWISE_BODY_TOO_LARGE/)
    client.close()
  }
  assert.equal(total(gateway), 0)
})

test('a chunk that is malformed is 400 and the end of the connection, without a lease', async (t) => {
  const gateway = await opened(t, [deadUrl()], { REQUEST_BUFFER: '1000' })
  for (const bad of ['x\r\n', `${chunkOf('good')}x\r\n`]) {
    const client = new RawClient(gateway.url).send(head(CHUNKED) + chunkOf('good'))
    await afterReading(gateway)
    assert.match(await client.send(bad).untilClosed(), /^HTTP\/1\.1 400 [\s\S]*LEASTWISE_MALFORMED_REQUEST/)
  }
  assert.equal(total(gateway), 0)
})

test('Expect: the backend is asked whether it wants the body, and nothing is waited for', async (t) => {
  const backend = await new TestBackend(() => {}).listen()
  t.after(() => backend.close())
  backend.server.on('checkContinue', (request, response) => {
    response.writeContinue()
    request.resume().once('end', () => response.end('ok'))
  })
  const gateway = await opened(t, [backend], { REQUEST_BUFFER: '1000' })
  const client = new RawClient(gateway.url).send(head('Content-Length: 4\r\nExpect: 100-continue'))
  await client.until('HTTP/1.1 100 Continue\r\n\r\n')
  await client.send('body').until(/ok$/)
  client.close()
})

test('an upgrade does not wait', async (t) => {
  const backend = await raw(
    t,
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n',
  )
  const gateway = await opened(t, [backend], { REQUEST_BUFFER: '1000' })
  const client = new RawClient(gateway.url)
  await client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n').until('101 ')
  client.close()
})

test('a PUT that was read whole is sent again to another backend, trailers and all', async (t) => {
  const [bad, good] = [await raw(t, reset), await hashing(t)]
  const gateway = await opened(t, [bad, good], { REQUEST_BUFFER: '100000', RETRY_BUDGET: '100' })
  for (const length of [4, 90_000]) {
    const body = bytesOf(length)
    const before = bad.requests.length
    for (const [opening, ending, trailers] of [
      [post(length, 'PUT') + body, '', {}],
      [head(CHUNKED, 'PUT') + chunkOf(body), '0\r\nx-sum: 42\r\n\r\n', { 'x-sum': '42' }],
    ] as const) {
      for (let i = 0; i < 2; i++) {
        const client = new RawClient(gateway.url).send(opening + ending)
        const answer = await client.until(/\}$/)
        assert.deepEqual(JSON.parse(answer.slice(answer.indexOf('{'))), {
          hash: hashOf(Buffer.from(body, 'latin1')),
          length,
          trailers,
        })
        client.close()
      }
    }
    assert.ok(bad.requests.length - before >= 2)
    for (const request of bad.requests) assert.ok(request.includes(body.slice(0, 4)))
  }
})

test('what is larger, or not idempotent, or not to be retried, is not sent again', async (t) => {
  for (const [method, length, env] of [
    ['POST', 4, {}],
    ['PATCH', 4, {}],
    ['PUT', 1001, {}],
    ['PUT', 4, { RETRIES: '0' }],
    ['PUT', 4, { RETRY_BUDGET: '0' }],
  ] as const) {
    const bad = await raw(t, reset)
    const good = await hashing(t)
    const gateway = await opened(t, [bad, good], { REQUEST_BUFFER: '1000', RETRY_BUDGET: '100', ...env })
    const statuses: number[] = []
    for (let i = 0; i < 4; i++)
      statuses.push((await call(gateway.url, { method, body: 'x'.repeat(length) })).status)
    assert.deepEqual(statuses.sort(), [200, 200, 502, 502], `${method} ${length}`)
    assert.deepEqual([bad.requests.length, good.total], [2, 2])
  }
})

test('a POST goes to another backend where nobody was reached', async (t) => {
  const good = await hashing(t)
  const gateway = await opened(t, [deadUrl(), good], { REQUEST_BUFFER: '1000' })
  for (let i = 0; i < 4; i++) {
    const reply = await call(gateway.url, { method: 'POST', body: 'once' })
    assert.deepEqual([reply.status, JSON.parse(reply.text).hash], [200, hashOf('once')])
  }
  assert.equal(good.total, 4)
})

test('RETRY_STATUS holds for bodies that were read whole', async (t) => {
  const sick = await new TestBackend((request, response) => {
    request.resume().once('end', () => response.writeHead(503).end('sick'))
  }).listen()
  t.after(() => sick.close())
  const gateway = await opened(t, [sick, await hashing(t)], {
    REQUEST_BUFFER: '1000',
    RETRY_STATUS: '503',
    RETRY_BUDGET: '100',
  })
  const statuses = async (method: 'PUT' | 'POST', body: string) => {
    const found: number[] = []
    for (let i = 0; i < 2; i++) found.push((await call(gateway.url, { method, body })).status)
    return found.sort()
  }
  assert.deepEqual(await statuses('PUT', 'x'), [200, 200])
  assert.deepEqual(await statuses('PUT', 'x'.repeat(1001)), [200, 503])
  assert.deepEqual(await statuses('POST', 'x'), [200, 503])
})

test('a request that is cut by a drain is sent again, with its body', async (t) => {
  const [slow, good] = [await raw(t, () => {}), await hashing(t)]
  const gateway = await opened(t, [slow], { REQUEST_BUFFER: '1000' })
  const sent = call(gateway.url, { method: 'PUT', body: 'body' })
  await slow.until(({ requests }) => requests.length === 1)
  gateway.balancer.registry.add({ url: good.url })
  gateway.balancer.registry.remove(gateway.backend(0).id, { force: true })
  assert.equal(JSON.parse((await sent).text).hash, hashOf('body'))
})

async function app(
  t: TestContext,
  setup: (app: FastifyInstance) => unknown,
  server: FastifyServerOptions = {},
): Promise<{ app: FastifyInstance; url: string }> {
  const app = Fastify({ forceCloseConnections: true, ...server }) as unknown as FastifyInstance
  t.after(async () => {
    while (app.balancer.registry.inFlight > 0) await setImmediate()
    await app.close()
  })
  await setup(app)
  await app.register(leastwise, { backends: [(await hashing(t)).url], requestBuffer: 1000 })
  return { app, url: await app.listen({ port: 0, host: '127.0.0.1' }) }
}

const hooks: Record<string, (app: FastifyInstance) => unknown> = {
  'reads along without waiting': (app) =>
    app.addHook('preParsing', async (_request, _reply, payload) => {
      payload.on('data', () => {})
      return payload
    }),
  'reads along': (app) => app.register(rawBody),
  'reads all, and leaves it': (app) =>
    app.addHook('preHandler', async (request) => {
      request.body = await buffer(request.raw)
    }),
  'makes another stream': (app) =>
    app.addHook('preParsing', async (_request, _reply, payload) => {
      async function* again() {
        for await (const chunk of payload) yield chunk
      }
      return Readable.from(again(), { objectMode: false }) as never
    }),
  waits: (app) => app.addHook('preHandler', async () => void (await setImmediate())),
}

for (const [what, setup] of Object.entries(hooks)) {
  test(`a hook of the app that ${what} sees the whole body, and so does the backend`, async (t) => {
    const { url } = await app(t, setup)
    for (const length of [1, 999, 1000, 1001, 100_000]) {
      const body = Buffer.from(bytesOf(length), 'latin1')
      const { text } = await call(url, { method: 'POST', body })
      assert.deepEqual(JSON.parse(text), { hash: hashOf(body), length, trailers: {} })
    }
  })
}

test('a hook that has read a part of the body is told, and not half of it is sent', async (t) => {
  const { app: host, url } = await app(t, (app) =>
    app.addHook('preHandler', async ({ raw }) => {
      raw.read(2)
      await setImmediate()
    }),
  )
  for (const length of [500, 5000]) {
    const { status, text } = await call(url, { method: 'POST', body: 'x'.repeat(length) })
    assert.deepEqual([status, JSON.parse(text).code], [500, 'LEASTWISE_BODY_READ'])
  }
  assert.equal(host.balancer.registry.inFlight, 0)
})

test('a hook that begins to read while the body is being waited for gets all of it', async (t) => {
  const seen: Buffer[] = []
  let arrived: IncomingMessage | undefined
  const { url } = await app(t, (app) =>
    app.addHook('onRequest', async ({ raw }) => {
      arrived = raw
    }),
  )
  const client = new RawClient(url).send(`${post(8)}half`)
  while (arrived?.listenerCount('readable') !== 1) await setImmediate()
  await setImmediate()
  arrived.on('data', (chunk: Buffer) => seen.push(chunk))
  const answer = await client.send('rest').until(/\}$/)
  assert.ok(answer.includes(hashOf('halfrest')), answer)
  assert.equal(String(Buffer.concat(seen)), 'halfrest')
  client.close()
})

test('a hook that answers instead leaves a connection that goes on', async (t) => {
  const { url } = await app(t, (app) =>
    app.addHook('preHandler', async ({ raw }, reply) => {
      if (raw.method === 'POST') return reply.code(403).send('no')
    }),
  )
  const client = new RawClient(url).send(`${post(200_000)}${'x'.repeat(100_000)}`)
  await client.until('403')
  client.send(`${'x'.repeat(100_000)}GET / HTTP/1.1\r\nHost: a\r\n\r\n`)
  await client.until(/200 OK/)
  client.close()
})

test('inject', async (t) => {
  const { app: host } = await app(t, () => {})
  const { body } = await host.inject({ method: 'POST', url: '/', payload: 'injected' })
  assert.equal(JSON.parse(body).hash, hashOf('injected'))
})

test('HTTP/2: bodies of any size, clients that leave, and hooks that answer instead', async (t) => {
  const { app: host, url } = await app(
    t,
    (app) =>
      app
        .addHook('preHandler', async ({ url }, reply) => {
          if (url === '/no') return reply.code(403).send('no')
        })
        .addHook('preParsing', async ({ url }, _reply, payload) => {
          if (url === '/along') payload.on('data', () => {})
          return payload
        }),
    { http2: true } as FastifyServerOptions,
  )
  const session = http2.connect(url)
  t.after(() => session.destroy())
  const [backend] = host.balancer.registry.list()
  for (const length of [0, 1, 1000, 1001, 300_000]) {
    const body = Buffer.from(bytesOf(length), 'latin1')
    for (const path of ['/', '/along']) {
      const stream = session.request({ ':method': 'POST', ':path': path })
      stream.write(body.subarray(0, length / 2))
      await setImmediate()
      stream.end(body.subarray(length / 2))
      assert.equal(JSON.parse(await text(stream)).hash, hashOf(body), `${path} ${length}`)
    }
  }
  const known = backend?.leases.total
  const left = session.request({ ':method': 'POST', ':path': '/' })
  left.on('error', () => {})
  left.write('half')
  await new Promise((resolve) => session.ping(resolve))
  left.close(http2.constants.NGHTTP2_CANCEL)
  await once(left, 'close')
  assert.equal(backend?.leases.total, known)
  const refused = session.request({ ':method': 'POST', ':path': '/no' })
  refused.write('x'.repeat(30_000))
  const [{ ':status': status }] = await once(refused, 'response')
  assert.equal(status, 403)
  refused.resume().end('x'.repeat(200_000))
  await once(refused, 'close')
})
