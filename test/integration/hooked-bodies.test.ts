import assert from 'node:assert/strict'
import { once } from 'node:events'
import * as http2 from 'node:http2'
import { PassThrough, Readable, Transform } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, test as declare } from 'node:test'
import { createGunzip, gzipSync } from 'node:zlib'
import compress from '@fastify/compress'
import multipart from '@fastify/multipart'
import Fastify, { type FastifyInstance, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import rawBody from 'fastify-raw-body'
import leastwise, { type LeastwiseOptions } from '../../src/index.js'
import { TestBackend } from '../support/backend.js'
import { call, type Reply } from '../support/client.js'
import { RawClient } from '../support/raw.js'

/** Nothing here may hang. */
const test: typeof declare = ((name: string, run: (t: declare.TestContext) => unknown) =>
  declare(name, { timeout: 20_000 }, async (t) => void (await run(t)))) as typeof declare

/** Answers with what it was sent. */
const backend = await new TestBackend(async (request, response) => {
  const body = await buffer(request).catch(() => undefined)
  const { headers, trailers } = request
  if (body) response.end(JSON.stringify({ body: body.toString('latin1'), headers, trailers }))
}).listen()
after(() => backend.close())

type Setup = (app: FastifyInstance) => unknown

async function build(
  t: declare.TestContext,
  setup: Setup,
  options: Partial<LeastwiseOptions> = {},
  serverOptions: FastifyServerOptions = {},
): Promise<{
  app: FastifyInstance
  url: string
  send(body: Buffer | string, headers?: Headers): Promise<Reply>
}> {
  const app = Fastify(serverOptions)
  t.after(async () => {
    const { registry } = app.balancer
    await app.close()
    assert.deepEqual([registry.inFlight, registry.list()[0]?.leases.failed], [0, 0], 'nobody is to blame')
  })
  await setup(app)
  await app.register(leastwise, { prefix: '/api', backends: [backend.url], ...options })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  return {
    app,
    url,
    send: (body, headers = {}) =>
      call(`${url}/api/x`, { method: 'POST', body, headers: { 'content-type': 'text/plain', ...headers } }),
  }
}
type Headers = Record<string, string>

const ofBackend = ({ status, text }: Reply) => {
  assert.equal(status, 200, text)
  return JSON.parse(text) as { body: string; headers: Headers; trailers: Headers }
}
const refused = ({ status, text }: Reply) => [status, JSON.parse(text).code, JSON.parse(text).message]

/** Every byte there is, many times. */
const binary = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 256))
const latin1 = binary.toString('latin1')

test('@fastify/compress: a backend gets what was unpacked, and is told so', async (t) => {
  const { send, url } = await build(t, (app) => app.register(compress))
  const { body, headers } = ofBackend(await send(gzipSync(binary), { 'content-encoding': 'gzip' }))
  assert.equal(body, latin1)
  assert.deepEqual(
    [headers['content-encoding'], headers['content-length'], headers['transfer-encoding']],
    [undefined, undefined, 'chunked'],
  )
  const plain = ofBackend(await send('plain'))
  assert.deepEqual([plain.body, plain.headers['content-length']], ['plain', '5'])
  assert.equal(refused(await send('no gzip', { 'content-encoding': 'gzip' }))[0], 400)
  assert.equal(refused(await send('x', { 'content-encoding': 'sdch' }))[0], 415)
  const get = await call(`${url}/api/x`, {
    method: 'GET',
    body: gzipSync('of a GET'),
    headers: { 'content-encoding': 'gzip' },
  })
  assert.equal(ofBackend(get).body, 'of a GET')
})

for (const options of [{}, { encoding: false as const }, { runFirst: true }]) {
  test(`fastify-raw-body ${JSON.stringify(options)}: hooks have it, and the backend every byte`, async (t) => {
    const seen: (number | undefined)[] = []
    const { send, url } = await build(t, async (app) => {
      await app.register(rawBody, options)
      app.addHook('preHandler', async ({ rawBody }) => void seen.push(rawBody?.length))
    })
    const { body, headers } = ofBackend(await send(binary))
    assert.equal(body, latin1)
    assert.equal(headers['content-length'], String(binary.length))
    assert.ok(Number(seen[0]) > 0)
    assert.equal(ofBackend(await send('')).body, '')
    assert.equal(ofBackend(await call(`${url}/api/x`, { method: 'GET', body: 'of a GET' })).body, 'of a GET')
    assert.deepEqual(refused(await send(Buffer.alloc(1_100_000))), [
      413,
      'LEASTWISE_BODY_TOO_LARGE',
      'the request body is larger than 1048576 bytes',
    ])
  })
}

test('fastify-raw-body and @fastify/compress together', async (t) => {
  const { send } = await build(t, async (app) => {
    await app.register(compress)
    await app.register(rawBody)
  })
  const { body, headers } = ofBackend(await send(gzipSync('unpacked'), { 'content-encoding': 'gzip' }))
  assert.deepEqual(
    [body, headers['content-encoding'], headers['content-length']],
    ['unpacked', undefined, '8'],
  )
})

test('trailers pass, although a hook reads along', async (t) => {
  const { url } = await build(t, (app) => app.register(rawBody))
  const client = new RawClient(url).send(
    'POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: close\r\n\r\n' +
      '3\r\nabc\r\n0\r\nX-Sum: 42\r\n\r\n',
  )
  const text = await client.untilClosed()
  assert.match(text, /"body":"abc"/)
  assert.match(text, /"trailers":\{"x-sum":"42"\}/)
})

const streams: Record<string, (payload: Readable) => Readable> = {
  'another stream': () => Readable.from([Buffer.from('made')]),
  'a stream of strings': () => Readable.from(['ma', 'de']),
  'an empty stream': () => Readable.from([]),
  'a transformed one': (payload) =>
    payload.pipe(
      new Transform({ transform: (chunk, _encoding, done) => done(null, chunk.toString().toUpperCase()) }),
    ),
  'the same one, counted': (payload) => payload.pipe(new PassThrough()),
}
for (const [what, make] of Object.entries(streams)) {
  test(`preParsing returns ${what}`, async (t) => {
    const expected = { 'an empty stream': '', 'a transformed one': 'TEXT', 'the same one, counted': 'text' }[
      what
    ]
    for (const isAsync of [true, false]) {
      const { send, url } = await build(t, (app) => {
        if (isAsync) app.addHook('preParsing', async (_request, _reply, payload) => make(payload as Readable))
        else
          app.addHook('preParsing', (_request, _reply, payload, done) =>
            done(null, make(payload as Readable) as never),
          )
      })
      assert.equal(ofBackend(await send('text')).body, expected ?? 'made')
      const got = await call(`${url}/api/x`, { method: 'GET', body: 'text' })
      assert.equal(ofBackend(got).body, expected ?? 'made')
      const exotic = await call(`${url}/api/x`, { method: 'PROPFIND' as 'POST', body: 'text' })
      assert.equal(ofBackend(exotic).body, expected ?? 'made')
    }
  })
}

test('a stream that unpacks takes Content-Encoding with it, any other leaves it', async (t) => {
  const { send } = await build(t, (app) =>
    app.addHook('preParsing', async ({ headers }, _reply, payload) =>
      (payload as Readable).pipe(headers['x-unpack'] ? createGunzip() : new PassThrough()),
    ),
  )
  const packed = gzipSync('text')
  const unpacked = ofBackend(await send(packed, { 'content-encoding': 'gzip', 'x-unpack': '1' }))
  assert.deepEqual([unpacked.body, unpacked.headers['content-encoding']], ['text', undefined])
  const passed = ofBackend(await send(packed, { 'content-encoding': 'gzip' }))
  assert.deepEqual([passed.body, passed.headers['content-encoding']], [packed.toString('latin1'), 'gzip'])
})

test('a stream of a hook that never goes on ends after BODY_TIMEOUT', async (t) => {
  const { send, url } = await build(
    t,
    (app) => app.addHook('preParsing', async () => new PassThrough() as never),
    { bodyTimeout: 100 },
  )
  const [status, code, message] = refused(await send('text'))
  assert.deepEqual([status, code], [500, 'LEASTWISE_BODY_READ'])
  assert.match(message, /did not go on/)
  const get = await call(`${url}/api/x`, { method: 'GET', body: 'text' })
  assert.equal(refused(get)[1], 'LEASTWISE_BODY_READ')
})

test('a stream that a hook both reads and never ends, alike', async (t) => {
  const { send } = await build(
    t,
    (app) => app.addHook('preParsing', async () => new PassThrough().resume() as never),
    { bodyTimeout: 100 },
  )
  assert.deepEqual(refused(await send('text')).slice(0, 2), [500, 'LEASTWISE_BODY_READ'])
})

test('a stream of a hook that breaks, or was closed, is told at once', async (t) => {
  const breaking: [string, () => Readable, number, string][] = [
    [
      'later',
      () =>
        new Readable({
          read() {
            setImmediate(() => this.destroy(new Error('inner')))
          },
        }),
      500,
      'LEASTWISE_BODY_READ',
    ],
    [
      'with a status',
      () =>
        new Readable({
          read() {
            this.destroy(Object.assign(new Error('bad'), { statusCode: 422, code: 'APP' }))
          },
        }),
      422,
      'APP',
    ],
    [
      'without a word',
      () =>
        new Readable({
          read() {
            setImmediate(() => this.destroy())
          },
        }),
      500,
      'LEASTWISE_BODY_READ',
    ],
    ['before', () => new PassThrough().destroy(), 500, 'LEASTWISE_BODY_READ'],
  ]
  for (const [what, make, status, code] of breaking) {
    const { send } = await build(t, (app) => app.addHook('preParsing', async () => make() as never))
    assert.deepEqual(refused(await send('text')).slice(0, 2), [status, code], what)
  }
})

test('a stream of a hook with a part that is neither text nor bytes is told at once', async (t) => {
  const { send } = await build(t, (app) =>
    app.addHook('preHandler', async (request) => {
      request.body = Readable.from(['text', { neither: 'text nor bytes' }])
    }),
  )
  assert.deepEqual(refused(await send('text')).slice(0, 2), [500, 'LEASTWISE_BODY_READ'])
  const sized = await send('text', { 'content-length': '4' })
  assert.deepEqual(refused(sized).slice(0, 2), [500, 'LEASTWISE_BODY_READ'])
})

for (const phase of ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const) {
  const add = (app: FastifyInstance, hook: (request: FastifyRequest) => Promise<void>) =>
    app.addHook(phase as 'preHandler', async (request) => {
      if (request.url === '/api/x') await hook(request)
    })

  test(`${phase}: a body that was read, and is nowhere else, is an error at once`, async (t) => {
    for (const method of ['POST', 'GET', 'PROPFIND'] as const) {
      const { url } = await build(t, (app) => add(app, async ({ raw }) => void (await buffer(raw))))
      const answer = await call(`${url}/api/x`, { method: method as 'GET', body: 'text' })
      const [status, code, message] = refused(answer)
      assert.deepEqual([status, code], [500, 'LEASTWISE_BODY_READ'], method)
      assert.match(message, /has read the body of this request/)
      // It is the connection's next request that shows whether it is in order.
      assert.equal(ofBackend(await call(`${url}/api/other`, { method: 'POST', body: 'next' })).body, 'next')
    }
  })

  test(`${phase}: a body of which a part was read is an error at once`, async (t) => {
    const { url } = await build(t, (app) =>
      add(app, async ({ raw }) => {
        await once(raw, 'readable')
        raw.read(1)
      }),
    )
    const answer = await call(`${url}/api/x`, { method: 'POST', body: binary })
    assert.match(refused(answer)[2], /a part of the body/)
  })

  test(`${phase}: an empty body may be read`, async (t) => {
    const { url } = await build(t, (app) => add(app, async ({ raw }) => void (await buffer(raw))))
    const client = new RawClient(url).send(
      'POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n',
    )
    assert.match(await client.untilClosed(), /^HTTP\/1\.1 200 [\s\S]*"body":""/)
  })

  test(`${phase}: whoever reads along without waiting gets all of it, and so does the backend`, async (t) => {
    const heard: string[] = []
    const app = Fastify()
    t.after(() => app.close())
    app.addHook(phase as 'onRequest', (request, _reply, ...rest: unknown[]) => {
      const done = rest.at(-1) as (error: null, payload?: unknown) => void
      const kept = request.raw.pipe(new PassThrough())
      buffer(kept).then((all) => heard.push(all.toString('latin1')))
      if (phase === 'preParsing') done(null, request.raw)
      else (done as () => void)()
    })
    await app.register(leastwise, { prefix: '/api', backends: [backend.url] })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    for (const method of ['POST', 'GET'] as const) {
      assert.equal(ofBackend(await call(`${url}/api/x`, { method, body: binary })).body, latin1, method)
      assert.equal(heard.pop(), latin1)
    }
  })

  test(`${phase}: what middleware left of a body is sent`, async (t) => {
    const { url } = await build(t, (app) =>
      add(app, async ({ raw }) => {
        const text = (await buffer(raw)).toString()
        Object.assign(raw, { body: JSON.parse(text) })
      }),
    )
    const answer = await call(`${url}/api/x`, {
      method: 'POST',
      body: '{ "a":  1 }',
      headers: { 'content-type': 'application/json' },
    })
    const { body, headers } = ofBackend(answer)
    assert.deepEqual([body, headers['content-length']], ['{"a":1}', '7'])
  })
}

test('a hook that gives up a body in the middle is an error at once, or the end of the connection', async (t) => {
  const { send } = await build(t, (app) =>
    app.addHook('preHandler', async ({ raw }) => {
      for await (const _ of raw) break
    }),
  )
  assert.deepEqual(refused(await send('text')).slice(0, 2), [500, 'LEASTWISE_BODY_READ'])
  const { send: sendMore } = await build(t, (app) =>
    app.addHook('preHandler', async ({ raw }) => void raw.destroy()),
  )
  const outcome = await sendMore(Buffer.alloc(10_000_000)).then(refused, () => ['cut'])
  assert.ok(outcome[0] === 'cut' || outcome[1] === 'LEASTWISE_BODY_READ')
})

test('what was read as text, and was none, is not sent as what it is not', async (t) => {
  const { send } = await build(t, (app) =>
    app.addHook('onRequest', async (request) => {
      Object.assign(request, { rawBody: (await buffer(request.raw)).toString('utf8') })
    }),
  )
  assert.equal(ofBackend(await send('plain ü')).body, Buffer.from('plain ü').toString('latin1'))
  assert.equal(refused(await send(binary))[1], 'LEASTWISE_BODY_READ')
})

const form = new FormData()
form.set('field', 'value')
/** What hooks may put in the place of a body, of which type it says it is, and what a backend gets. */
const left: [unknown, string | undefined, string | RegExp, (string | RegExp)?][] = [
  [Buffer.from([0, 255]), 'image/png', '\0\xff', 'image/png'],
  [new Uint16Array([0x4141]), 'image/png', 'AA'],
  ['text', 'text/plain', 'text'],
  ['', 'text/plain', ''],
  [{ a: [1] }, 'application/json', '{"a":[1]}', 'application/json'],
  [{ a: 1 }, 'application/vnd.api+json; charset=utf-8', '{"a":1}', 'application/vnd.api+json; charset=utf-8'],
  [[1, 2], undefined, '[1,2]', 'application/json'],
  [{ a: 'x y', b: ['1', '2'] }, 'application/x-www-form-urlencoded', 'a=x%20y&b=1&b=2'],
  [new URLSearchParams({ a: '1' }), 'text/plain', 'a=1', /^application\/x-www-form-urlencoded/],
  [form, 'text/plain', /name="field"\r\n\r\nvalue/, /^multipart\/form-data; boundary=/],
  [new Blob(['blob'], { type: 'text/html' }), 'text/plain', 'blob', 'text/html'],
  [new Response('web').body, 'text/plain', 'web'],
  [Readable.from(['stream']), 'text/plain', 'stream'],
  [
    (async function* () {
      yield 'generated'
    })(),
    'text/plain',
    'generated',
  ],
]
test('what a hook puts into request.body is sent, read or not', async (t) => {
  for (const reads of [true, false]) {
    for (const [value, type, expected, expectedType] of left) {
      if (
        !reads &&
        typeof value === 'object' &&
        value !== null &&
        !Array.isArray(value) &&
        Object.getPrototypeOf(value) !== Object.prototype
      )
        continue
      const { url } = await build(t, (app) =>
        app.addHook('preHandler', async (request) => {
          if (reads) await buffer(request.raw)
          request.body = value
        }),
      )
      for (const method of reads ? (['POST'] as const) : (['POST', 'GET'] as const)) {
        const answer = await call(`${url}/api/x`, {
          method,
          body: 'the body as it came',
          headers: type === undefined ? {} : { 'content-type': type },
        })
        const { body, headers } = ofBackend(answer)
        if (typeof expected === 'string') assert.equal(body, expected)
        else assert.match(body, expected)
        const said = headers['content-type'] ?? ''
        if (typeof expectedType === 'string') assert.equal(said, expectedType)
        else if (expectedType) assert.match(said, expectedType)
        assert.equal(headers['content-length'] ?? String(body.length), String(body.length))
      }
    }
  }
})

test('a value that cannot be written as what the request says is told', async (t) => {
  const circle: { self?: unknown } = {}
  circle.self = circle
  for (const [value, type] of [
    [{ a: 1 }, 'multipart/form-data; boundary=x'],
    [circle, 'application/json'],
  ] as const) {
    const { send } = await build(t, (app) =>
      app.addHook('preHandler', async (request) => {
        request.body = value
      }),
    )
    const [status, code, message] = refused(await send('text', { 'content-type': type }))
    assert.deepEqual([status, code], [500, 'LEASTWISE_BODY_READ'])
    assert.match(message, /cannot be written as/)
  }
})

test('a body can be given to a request that had none', async (t) => {
  const { url } = await build(t, (app) =>
    app.addHook('preHandler', async (request) => {
      request.body = { a: 1 }
    }),
  )
  for (const method of ['GET', 'POST', 'DELETE'] as const) {
    const { body, headers } = ofBackend(await call(`${url}/api/x`, { method }))
    assert.deepEqual(
      [body, headers['content-length'], headers['content-type']],
      ['{"a":1}', '7', 'application/json'],
    )
  }
})

test('hooks that take their time lose nothing of a body, and see its type', async (t) => {
  const types: unknown[] = []
  const { send } = await build(t, (app) => {
    for (const phase of ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const) {
      app.addHook(phase as 'preHandler', async ({ headers, mediaType }) => {
        types.push(headers['content-type'], mediaType)
        await new Promise((resolve) => setTimeout(resolve, 20))
      })
    }
  })
  assert.equal(ofBackend(await send(binary)).body, latin1)
  assert.deepEqual(new Set(types), new Set(['text/plain']))
  const odd = ofBackend(await send('x', { 'content-type': 'odd' }))
  assert.deepEqual([odd.body, odd.headers['content-type']], ['x', 'odd'])
})

test('@fastify/multipart leaves proxied bodies alone', async (t) => {
  for (const attachFieldsToBody of [false, true]) {
    const { send } = await build(t, (app) => app.register(multipart, { attachFieldsToBody }))
    const text = '--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n'
    const { body, headers } = ofBackend(
      await send(text, { 'content-type': 'multipart/form-data; boundary=x' }),
    )
    assert.deepEqual([body, headers['content-type']], [text, 'multipart/form-data; boundary=x'])
  }
})

test('a client that waits to be asked for the body is asked', async (t) => {
  for (const setup of [(app: FastifyInstance) => app.register(rawBody), () => {}]) {
    const { url } = await build(t, setup)
    const client = new RawClient(url).send(
      'POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n',
    )
    await client.until('100 Continue')
    assert.match(await client.send('text').untilClosed(), /"body":"text"/)
  }
})

test('HTTP/2: hooks that read along, read all, or make another body', async (t) => {
  const app = Fastify({ http2: true })
  app.addHook('preParsing', async ({ url, raw }, _reply, payload) => {
    if (url === '/api/read') await buffer(raw)
    if (url === '/api/along') payload.on('data', () => {})
    if (url === '/api/made') return (payload as Readable).pipe(new PassThrough()) as never
    return payload
  })
  await app.register(leastwise, { prefix: '/api', backends: [backend.url] })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const session = http2.connect(url)
  t.after(() => {
    session.destroy()
    return app.close()
  })
  for (const path of ['untouched', 'along', 'made', 'read']) {
    const stream = session.request({ ':path': `/api/${path}`, ':method': 'POST' })
    stream.end(binary)
    const [{ ':status': status }] = await once(stream, 'response')
    const text = (await buffer(stream)).toString()
    if (path === 'read') assert.deepEqual([status, JSON.parse(text).code], [500, 'LEASTWISE_BODY_READ'])
    else assert.equal(JSON.parse(text).body, latin1, path)
  }
  assert.equal(app.balancer.registry.inFlight, 0)
})

test('a client that leaves, or stalls, in the middle of a body that a hook transforms', async (t) => {
  for (const setup of [
    (app: FastifyInstance) =>
      app.addHook(
        'preParsing',
        async (_request, _reply, payload) => (payload as Readable).pipe(new PassThrough()) as never,
      ),
    (app: FastifyInstance) => app.register(rawBody),
  ]) {
    const { app, url } = await build(t, setup as Setup, { bodyTimeout: 100 })
    const head = 'POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc'
    const leaving = new RawClient(url).send(head)
    while (app.balancer.registry.inFlight === 0) await new Promise(setImmediate)
    leaving.reset()
    while (app.balancer.registry.inFlight > 0) await new Promise(setImmediate)
    assert.match(await new RawClient(url).send(head).untilClosed(), /^HTTP\/1\.1 408 /)
  }
})

for (const [what, length, method] of [
  ['too short', '3', 'POST'],
  ['too long', '7', 'POST'],
  ['for no body at all', '5', 'GET'],
] as const) {
  test(`a Content-Length of a hook that is ${what} is the app's error, and no backend takes the rest for a request`, async (t) => {
    const { url } = await build(t, (app) =>
      app.addHook('preHandler', async ({ raw }) => {
        raw.headers['content-length'] = length
      }),
    )
    const before = backend.total
    const reply = await call(`${url}/api/x`, { method, ...(method === 'POST' && { body: 'hello' }) })
    assert.equal(reply.status, 500, reply.text)
    assert.equal(JSON.parse(reply.text).code, 'LEASTWISE_INTERNAL')
    assert.ok(backend.total - before <= 1, 'one request at most')
  })
}
