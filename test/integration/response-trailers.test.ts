import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { after, before, test } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import leastwise from '../../src/index.js'
import { bodyOf, exchange, field, RawBackend, RawClient } from '../support/raw.js'

let backend: RawBackend
const apps: FastifyInstance[] = []

before(async () => {
  backend = await new RawBackend('').listen()
})
after(async () => {
  for (const app of apps) await app.close()
  await backend.close()
})

async function open(prepare: (app: FastifyInstance) => void, own: object = {}): Promise<string> {
  const app = Fastify({ forceCloseConnections: true, ...own })
  apps.push(app)
  prepare(app)
  await app.register(leastwise, { backends: [backend.url] })
  return await app.listen({ port: 0, host: '127.0.0.1' })
}

/** Has the backend send `ok` with trailers, and a head that announces them or not. */
function sendTrailers(trailers: string, head = ''): void {
  backend.script = `HTTP/1.1 200 OK\r\n${head}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n${trailers}\r\n`
}

const ANNOUNCED = 'Trailer: X-Sum\r\n'
const clients = {
  'HTTP/1.0': 'GET / HTTP/1.0\r\n\r\n',
  'HTTP/1.0 that asks for trailers': 'GET / HTTP/1.0\r\nTE: trailers\r\nConnection: te\r\n\r\n',
  'HTTP/1.1': 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  'HTTP/1.1 that asks for trailers':
    'GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: close, te\r\n\r\n',
  'HTTP/1.1 with POST': 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
}

/** The body of a whole response, and its trailers as one text; the trailers are undefined where no chunks were sent. */
function parse(answer: string): { status: string; body: string; trailers: string | undefined } {
  const status = answer.slice(9, 12)
  const rest = bodyOf(answer)
  if (field(answer, 'transfer-encoding') === undefined) {
    assert.equal(field(answer, 'content-length') ?? String(rest.length), String(rest.length))
    return { status, body: rest, trailers: undefined }
  }
  assert.equal(field(answer, 'content-length'), undefined)
  const [, hex = '', body = '', trailers] = /^([0-9a-f]+)\r\n(.*)\r\n0\r\n((?:.+\r\n)*)\r\n$/.exec(rest) ?? []
  assert.ok(trailers !== undefined, `no end: ${JSON.stringify(rest)}`)
  assert.equal(Number.parseInt(hex, 16), body.length)
  return { status, body, trailers }
}

test('a client that takes no chunks gets the body and its end, without trailers', async () => {
  const plain = await open(() => {})
  const seeing = await open((app) => app.addHook('onSend', async (_request, _reply, payload) => payload))
  for (const url of [plain, seeing]) {
    for (const announced of ['', ANNOUNCED]) {
      sendTrailers('X-Sum: 42\r\n', announced)
      for (const [name, request] of Object.entries(clients)) {
        const answer = await exchange(url, request)
        const { body, trailers } = parse(answer)
        const takesChunks = !name.startsWith('HTTP/1.0')
        assert.deepEqual(
          [body, trailers?.toLowerCase()],
          ['ok', takesChunks ? 'x-sum: 42\r\n' : undefined],
          name,
        )
        assert.equal(field(answer, 'trailer'), takesChunks && announced ? 'X-Sum' : undefined, name)
      }
    }
  }
})

test('a connection goes on after trailers, and after a response that could have none', async () => {
  const url = await open(() => {})
  sendTrailers('X-Sum: 42\r\n', ANNOUNCED)
  const client = new RawClient(url)
  for (let i = 1; i <= 3; i++) {
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until(new RegExp(`(x-sum: 42\r\n\r\n[\\s\\S]*){${i}}$`, 'i'))
  }
  client.send('HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  const text = await client.untilClosed()
  assert.match(text, /connection: close\r\n(?:.+\r\n)*\r\n$/i)
})

test('trailers beside a Content-Length are dropped, and what announces them', async () => {
  const url = await open(() => {})
  backend.script = `HTTP/1.1 200 OK\r\n${ANNOUNCED}Content-Length: 2\r\n\r\nok`
  for (const request of Object.values(clients)) {
    const answer = await exchange(url, request)
    assert.deepEqual(parse(answer), { status: '200', body: 'ok', trailers: undefined })
    assert.equal(field(answer, 'trailer'), undefined)
  }
})

test('trailers that must not be trailers are left out, and the others are sent', async () => {
  const url = await open(() => {})
  for (const bad of [
    'Content-Length: 5',
    'Transfer-Encoding: chunked',
    'Set-Cookie: a=1',
    'HTTP2-Settings: x',
    'Host: a',
    'TE: x',
  ]) {
    for (const [trailers, passed] of [
      [`${bad}\r\n`, ''],
      [`X-Sum: 42\r\n${bad}\r\nX-A: caf\xe9\r\n`, 'x-sum: 42\r\nx-a: caf\xe9\r\n'],
    ] as const) {
      sendTrailers(trailers)
      const { body, trailers: sent } = parse(await exchange(url, clients['HTTP/1.1']))
      assert.deepEqual([body, sent?.toLowerCase()], ['ok', passed], bad)
    }
  }
})

/** What hooks of an app may make of a response, and the body that the client gets. */
const hooks: [what: string, body: string, add: (app: FastifyInstance) => void][] = [
  [
    'replaces the body by text',
    'other',
    (app) => app.addHook('onSend', async (_request, _reply, payload) => (await read(payload)) && 'other'),
  ],
  [
    'replaces the body by bytes',
    'other',
    (app) =>
      app.addHook('onSend', async (_request, _reply, payload) =>
        Buffer.from((await read(payload)) && 'other'),
      ),
  ],
  [
    'replaces the body by a Response',
    'other',
    (app) =>
      app.addHook('onSend', async (_request, _reply, payload) => {
        await read(payload)
        return new Response('other', { headers: { 'content-length': '5' } })
      }),
  ],
  [
    'takes the body away',
    '',
    (app) =>
      app.addHook('onSend', async (_request, _reply, payload) => ((await read(payload)) ? null : payload)),
  ],
  [
    'sets a length',
    'ok',
    (app) => app.addHook('onSend', async (_request, reply) => void reply.header('content-length', '2')),
  ],
  [
    'makes it 204',
    '',
    (app) =>
      app.addHook('onSend', async (_request, reply, payload) => {
        await read(payload)
        reply.code(204)
        return null
      }),
  ],
  ['makes it 304', '', (app) => app.addHook('onSend', async (_request, reply) => void reply.code(304))],
  [
    'adds a trailer to a 304',
    '',
    (app) =>
      app.addHook('onSend', async (_request, reply) => {
        reply.code(304).trailer('x-own', async () => '1')
      }),
  ],
]

async function read(payload: unknown): Promise<true> {
  for await (const _chunk of payload as AsyncIterable<unknown>);
  return true
}

for (const [what, body, add] of hooks) {
  test(`a response with trailers ends well where a hook ${what}`, async () => {
    const url = await open(add)
    for (const announced of ['', ANNOUNCED]) {
      sendTrailers('X-Sum: 42\r\n', announced)
      for (const [name, request] of Object.entries(clients)) {
        assert.equal(parse(await exchange(url, request)).body, body, name)
      }
    }
  })
}

test('a trailer of a hook is sent where the client takes chunks, and the body without it elsewhere', async () => {
  const early = await open((app) =>
    app.addHook('onRequest', async (_request, reply) => void reply.trailer('x-own', async () => '1')),
  )
  const late = await open((app) =>
    app.addHook('onSend', async (_request, reply) => void reply.trailer('x-own', async () => '1')),
  )
  for (const url of [early, late]) {
    for (const script of [
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      `HTTP/1.1 200 OK\r\n${ANNOUNCED}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 42\r\n\r\n`,
    ]) {
      backend.script = script
      for (const [name, request] of Object.entries(clients)) {
        const answer = await exchange(url, request)
        const takesChunks = !name.startsWith('HTTP/1.0')
        assert.deepEqual(
          parse(answer),
          { status: '200', body: 'ok', trailers: takesChunks ? 'x-own: 1\r\n' : undefined },
          name,
        )
        assert.equal(field(answer, 'trailer'), takesChunks ? 'x-own' : undefined, name)
      }
    }
  }
})

test('HTTP/2 gets every trailer that it may have, repeated ones in one line', async () => {
  for (const prepare of [
    () => {},
    (app: FastifyInstance) => void app.addHook('onSend', async (_q, _r, body) => body),
  ]) {
    const url = await open(prepare, { http2: true })
    const session = connect(url)
    for (const announced of ['', ANNOUNCED]) {
      sendTrailers(
        'ETag: "a"\r\nETag: "b"\r\nX-Sum: 1\r\nX-Sum: 2\r\nHTTP2-Settings: x\r\nKeep-Alive: 5\r\nTE: x\r\n',
        announced,
      )
      const stream = session.request({})
      const told = once(stream, 'trailers')
      let body = ''
      stream.setEncoding('latin1')
      for await (const chunk of stream) body += chunk
      const trailers = Object.fromEntries(Object.entries((await told)[0] as object))
      assert.deepEqual([body, trailers], ['ok', { etag: '"a", "b"', 'x-sum': '1, 2' }])
    }
    session.close()
  }
})
