import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyServerOptions } from 'fastify'
import leastwise, { type LeastwiseOptions } from '../../src/index.js'
import { deadUrl } from '../support/backend.js'
import { openGateway } from '../support/gateway.js'
import { field, RawClient } from '../support/raw.js'
import { ScriptedBackend } from '../support/scripted-backend.js'
import { testWorkers } from '../support/shared-port.js'

/** A host app with one backend, and what can be said of both at any moment. */
interface Play {
  app: FastifyInstance
  stage: ScriptedBackend
  url: string
  /** Requests in flight by our count and by the backend's. */
  counts(): [ours: number, theirs: number]
  /** Resolves once both counts are `count`. */
  until(count: number): Promise<void>
  /** [total, failed] by our count. */
  tally(): [number, number]
}

async function play(
  t: TestContext,
  options: LeastwiseOptions = {},
  server: FastifyServerOptions = {},
  prepare?: (app: FastifyInstance) => void,
): Promise<Play> {
  const stage = await new ScriptedBackend().listen()
  // Hooks and servers of an app are of one thread.
  if (testWorkers !== '1' && !prepare && Object.keys(server).length === 0) return threads(t, stage, options)
  const app = Fastify({ forceCloseConnections: true, ...server }) as unknown as FastifyInstance
  prepare?.(app)
  await app.register(leastwise, { backends: [stage.url], ...endless, ...options })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  t.after(async () => {
    await app.close()
    await stage.close()
  })
  return playOf(app, stage, url)
}

// What leaks a lease or a request must not be tidied up by a timeout.
const endless = { responseTimeout: 0, bodyTimeout: 0, drainTimeout: 0 }

/** The same pool in a gateway with several threads. */
async function threads(t: TestContext, stage: ScriptedBackend, { backends, ...options }: LeastwiseOptions) {
  const env = Object.entries({ ...endless, ...options }).map(([name, value]) => [
    name.replace(/[A-Z]/g, '_$&').toUpperCase(),
    String(value),
  ])
  const urls = (backends ?? [stage.url]) as string[]
  const gateway = await openGateway(urls, Object.fromEntries(env))
  t.after(async () => {
    await gateway.close()
    await stage.close()
  })
  return playOf({ balancer: gateway.balancer } as FastifyInstance, stage, gateway.url)
}

function playOf(app: FastifyInstance, stage: ScriptedBackend, url: string): Play {
  const backend = app.balancer.registry.list()[0] as {
    inFlight: number
    leases: { total: number; failed: number }
  }
  const counts = (): [number, number] => [backend.inFlight, stage.open]
  return {
    app,
    stage,
    url,
    counts,
    async until(count) {
      while (counts().some((one) => one !== count)) await setImmediate()
    },
    tally: () => [backend.leases.total, backend.leases.failed],
  }
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
const post = (path: string, body: string, length = body.length) =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n${body}`

/** How a client leaves. */
const leaving: [string, (client: RawClient) => void][] = [
  ['by FIN', (client) => client.socket.end()],
  ['by closing', (client) => client.close()],
  ['by RST', (client) => client.reset()],
]

test('whole answers: 2xx, HEAD, 204, 304, 5xx', async (t) => {
  const { url, until, tally } = await play(t)
  for (const text of [
    get('/ok'),
    get('/big'),
    get('/ok').replace('GET', 'HEAD'),
    post('/echo', 'hi'),
    get('/error'),
  ]) {
    const client = new RawClient(url).send(text)
    await client.until(/^HTTP\/1\.1 \d+ /)
    await until(0)
    client.close()
  }
  assert.deepEqual(tally(), [5, 1])
})

test('a backend that refuses', async (t) => {
  const { url, app } = await play(t, { backends: [deadUrl()] })
  for (const text of [get('/'), post('/', 'hi')])
    await new RawClient(url).send(text).until(/^HTTP\/1\.1 502 /)
  const { inFlight, total, failed } = app.balancer.registry.list()[0]?.view() ?? {}
  assert.deepEqual([inFlight, total, failed], [0, 2, 2])
})

for (const [name, path, answer, options, failures] of [
  ['resets before its head', '/reset', /^HTTP\/1\.1 502 /, {}, 2],
  ['dies in mid-body', '/cut', /^HTTP\/1\.1 200 /, {}, 2],
  ['is silent for longer than responseTimeout', '/silent', /^HTTP\/1\.1 504 /, { responseTimeout: 50 }, 2],
  ['is silent in mid-body for longer than bodyTimeout', '/half', /^HTTP\/1\.1 200 /, { bodyTimeout: 50 }, 0],
] as const) {
  test(`a backend that ${name}`, async (t) => {
    const { url, until, tally } = await play(t, options)
    for (const text of [get(path), post(path, 'hi')]) {
      const client = new RawClient(url).send(text)
      assert.match(await client.until(/^HTTP\/1\.1 \d+ /), answer)
      // A body that was cut short does not look whole.
      if (String(answer).includes('200')) assert.doesNotMatch(await client.untilClosed(), /0\r\n\r\n$/)
      await until(0)
    }
    assert.deepEqual(tally(), [2, failures])
  })
}

for (const [how, leave] of leaving) {
  test(`a client that leaves ${how}`, async (t) => {
    const { url, until, tally } = await play(t)
    const moments: [name: string, text: string, ready: RegExp | undefined][] = [
      ['before the head', get('/silent'), undefined],
      ['before the head, its body read', post('/silent', 'hi'), undefined],
      ['in mid-answer', get('/stream'), /first/],
      ['in mid-answer, its body read', post('/stream', 'hi'), /first/],
      ['in mid-upload', post('/echo', 'half', 8), /half/],
      ['in mid-upload that is not answered', post('/ok', 'half', 8), undefined],
      [
        'in mid-upload by chunks',
        'POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
        /half/,
      ],
    ]
    for (const [, text, ready] of moments) {
      const client = new RawClient(url).send(text)
      if (ready) await client.until(ready)
      await until(1)
      leave(client)
      await until(0)
    }
    const [total, failed] = tally()
    assert.deepEqual([total, failed], [moments.length, 0])
  })

  test(`a client that leaves ${how} with requests behind the one that is answered`, async (t) => {
    const { url, until, tally } = await play(t)
    const client = new RawClient(url).send(
      get('/silent') + get('/stream') + get('/silent') + post('/ok', 'hi'),
    )
    await until(3)
    leave(client)
    await until(0)
    assert.deepEqual(tally(), [3, 0], 'the unsafe one waited, and was never begun')
  })
}

test('a client that leaves in the middle of its next request', async (t) => {
  const { url, until } = await play(t)
  for (const tail of [
    'GET /half HTTP/1.1\r\nHo',
    post('/ok', 'half', 8),
    'POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n',
  ]) {
    for (const [, leave] of leaving) {
      const client = new RawClient(url).send(get('/silent') + tail)
      await until(1)
      leave(client)
      await until(0)
    }
  }
})

test('an upgrade that its client does not wait for, or does not read the answer to', async (t) => {
  const { url, until, app } = await play(t, { bodyTimeout: 200 })
  const text = (path: string) =>
    `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n`
  for (const [, leave] of leaving) {
    const client = new RawClient(url).send(text('/later'))
    await until(1)
    leave(client)
    await until(0)
  }
  for (const request of [text('/huge'), get('/huge') + text('/')]) {
    const client = new RawClient(url)
    client.socket.pause()
    client.send(request)
    while (app.balancer.registry.inFlight === 0) await setImmediate()
    while (app.balancer.registry.inFlight > 0) await setImmediate()
    client.close()
  }
})

test('a hook of the app that throws: before the choice, and after it', async (t) => {
  for (const hook of ['onRequest', 'preHandler', 'preValidation', 'preParsing'] as const) {
    const { url, counts, tally } = await play(t, {}, {}, (app) => {
      app.addHook(hook, async () => {
        throw new Error('mine')
      })
    })
    await new RawClient(url).send(get('/ok')).until(/^HTTP\/1\.1 500 /)
    assert.deepEqual(counts(), [0, 0], hook)
    assert.equal(tally()[1], 0)
  }
})

test('a hook of the app that calls its callback twice: one backend is asked, once', async (t) => {
  for (const hook of ['onRequest', 'preHandler'] as const) {
    const { app, url, stage, until, tally } = await play(t, { maxConnections: 1 }, {}, (app) => {
      app.addHook(hook, (_request: unknown, _reply: unknown, done: () => void) => {
        done()
        done()
      })
    })
    const first = new RawClient(url).send(get('/stream'))
    await first.until(/first/)
    const queued = new RawClient(url).send(get('/ok'))
    while (app.balancer.view().queue.length === 0) await setImmediate()
    first.close()
    assert.match(await queued.until(/ok$/), /^HTTP\/1\.1 200 /)
    await until(0)
    assert.deepEqual([...tally(), stage.total], [2, 0, 2], hook)
  }
})

test('a hook of the app that adds a trailer: the response has one framing', async (t) => {
  for (const hook of ['onRequest', 'preHandler', 'onSend'] as const) {
    const { url } = await play(t, {}, {}, (app) => {
      app.addHook(hook, async (_request: unknown, reply: FastifyReply) => {
        reply.trailer('x-sum', async () => '42')
      })
    })
    const answer = await new RawClient(url).send(get('/ok')).until(/x-sum: 42\r\n\r\n$/)
    assert.deepEqual(
      [field(answer, 'transfer-encoding'), field(answer, 'content-length')],
      ['chunked', undefined],
    )
  }
})

test('onSend that throws', async (t) => {
  const { url, until } = await play(t, {}, {}, (app) => {
    app.addHook('onSend', async () => {
      throw new Error('mine')
    })
  })
  for (const text of [get('/ok'), get('/stream'), post('/echo', 'half', 8)]) {
    await new RawClient(url).send(text).until(/^HTTP\/1\.1 500 /)
    await until(0)
  }
})

test('connectionTimeout of the app', async (t) => {
  // Shorter than the pool's own.
  const { url, until } = await play(t, { bodyTimeout: 60_000 }, { connectionTimeout: 200 })
  for (const text of [get('/silent'), post('/silent', 'hi'), get('/stream')]) {
    const client = new RawClient(url).send(text)
    await until(1)
    await client.untilClosed()
    await until(0)
  }
})

test('handlerTimeout of the app', async (t) => {
  const { url, until } = await play(t, {}, { handlerTimeout: 100 } as FastifyServerOptions)
  for (const text of [get('/silent'), post('/ok', 'half', 8)]) {
    const client = new RawClient(url).send(text)
    await until(1)
    await client.until(/^HTTP\/1\.1 503 /)
    await until(0)
    client.close()
  }
  // Fastify forgets the timeout once it has read a body; what is left is that the client leaves.
  const client = new RawClient(url).send(post('/silent', 'hi'))
  await until(1)
  client.close()
  await until(0)
})

test('HTTP/2: RST_STREAM before the head, in mid-answer and in mid-upload', async (t) => {
  const { url, until, tally } = await play(t, {}, { http2: true } as FastifyServerOptions)
  const session = http2.connect(url)
  t.after(() => session.destroy())
  for (const [path, method, ready] of [
    ['/silent', 'GET', false],
    ['/silent', 'POST', false],
    ['/stream', 'GET', true],
    ['/echo', 'POST', true],
  ] as const) {
    const stream = session.request({ ':path': path, ':method': method }, { endStream: method === 'GET' })
    stream.on('error', () => {})
    if (method === 'POST') stream.write('half')
    if (ready) await once(stream, 'response')
    await until(1)
    stream.close(http2.constants.NGHTTP2_CANCEL)
    await until(0)
  }
  assert.deepEqual(tally(), [4, 0])
  // And a session that goes as a whole.
  for (let i = 0; i < 5; i++) session.request({ ':path': '/stream' }).on('error', () => {})
  await until(5)
  session.destroy()
  await until(0)
})

test('shed: no lease, no request to a backend', async (t) => {
  const { url, tally, stage } = await play(t, { maxHeapBytes: 1 })
  let answer = ''
  while (!answer.startsWith('HTTP/1.1 503')) {
    answer = await new RawClient(url).send(get('/ok')).until(/^HTTP\/1\.1 \d+ /)
  }
  assert.ok(field(answer, 'retry-after'))
  assert.equal(tally()[0], stage.total)
})

test('drained: what is in flight is cut at the deadline, and counted until then', async (t) => {
  const { url, app, until, tally } = await play(t)
  const texts = [get('/silent'), get('/stream'), post('/echo', 'half', 8)]
  const clients = texts.map((text) => new RawClient(url).send(text))
  await until(3)
  const { id } = app.balancer.registry.list()[0] ?? {}
  app.balancer.registry.drain(id as string, 50)
  assert.equal(app.balancer.registry.inFlight, 3)
  await until(0)
  assert.match((await clients[0]?.until('}')) as string, /^HTTP\/1\.1 502 /)
  assert.doesNotMatch((await clients[1]?.untilClosed()) as string, /0\r\n\r\n$/)
  assert.deepEqual(tally(), [3, 0])
})

test('hijacked: a tunnel is counted until it is closed, whoever closes it', async (t) => {
  const { url, until, tally } = await play(t)
  const text = 'GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n'
  for (const [, leave] of leaving) {
    const client = new RawClient(url).send(text)
    await client.until(/^HTTP\/1\.1 101 /)
    await until(1)
    leave(client)
    await until(0)
  }
  assert.deepEqual(tally(), [3, 0])
})

test('a reply that the app sends itself, instead of the backend’s', async (t) => {
  const { url, counts, tally } = await play(t, {}, {}, (app) => {
    app.addHook('preHandler', async (_request, reply) => reply.send('mine'))
  })
  await new RawClient(url).send(get('/silent')).until(/mine$/)
  assert.deepEqual(
    [counts(), tally()],
    [
      [0, 0],
      [1, 0],
    ],
  )
})
