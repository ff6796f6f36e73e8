import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { afterEach, test } from 'node:test'
import Fastify from 'fastify'
import type { Balancer } from '../../src/balancer/balancer.js'
import leastwise, { type LeastwiseOptions } from '../../src/index.js'
import { rejectMalformed } from '../../src/proxy/downstream/connection/early-rejection.js'
import { answering, deadUrl, holding, TestBackend } from '../support/backend.js'
import { call } from '../support/client.js'
import { RawClient } from '../support/raw.js'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

function keep<T extends { close(): PromiseLike<unknown> }>(thing: T): T {
  closing.push(async () => await thing.close())
  return thing
}

interface Running {
  url: string
  balancer: Balancer
}

/** A host app with one pool, listening. */
async function gateway(options: LeastwiseOptions): Promise<Running> {
  const app = Fastify({ forceCloseConnections: true, clientErrorHandler: rejectMalformed })
  // What leaks a lease or a request must not be tidied up by a timeout.
  await app.register(leastwise, { responseTimeout: 0, bodyTimeout: 0, ...options })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  keep(app)
  return { url, balancer: app.balancer }
}

/** Resolves once every count of the pool is zero. */
async function settled(app: Running): Promise<void> {
  while (app.balancer.registry.inFlight > 0) await new Promise(setImmediate)
}

const only = (app: Running) =>
  app.balancer.registry.list()[0]?.view() as { failed: number; inFlight: number; total: number }

test('method, path, query, headers and body reach the backend, its answer the client', async () => {
  const backend = keep(
    await new TestBackend((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk) => chunks.push(chunk))
      request.on('end', () => {
        response.writeHead(201, { 'x-answer': 'yes', 'set-cookie': ['a=1', 'b=2'] })
        response.end(
          JSON.stringify({
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        )
      })
    }).listen(),
  )
  const app = await gateway({ backends: [backend.url] })
  const reply = await call(`${app.url}/a//b%2Fc/%7E;x?y=1&y=%20`, {
    method: 'POST',
    headers: { 'content-type': 'made/up; x="y', 'x-own': 'kept', host: 'shop.example' },
    body: 'hello',
  })
  const seen = JSON.parse(reply.text)
  assert.deepEqual([reply.status, reply.headers['x-answer']], [201, 'yes'])
  assert.deepEqual(reply.headers['set-cookie'], ['a=1', 'b=2'])
  assert.deepEqual([seen.method, seen.url, seen.body], ['POST', '/a//b%2Fc/%7E;x?y=1&y=%20', 'hello'])
  assert.deepEqual([seen.headers['x-own'], seen.headers.host], ['kept', 'shop.example'])
  assert.equal(seen.headers['content-type'], 'made/up; x="y')
  assert.equal(seen.headers['x-forwarded-for'], '127.0.0.1')
  assert.equal(seen.headers['x-forwarded-proto'], 'http')
  assert.equal(seen.headers['x-forwarded-host'], 'shop.example')
  await settled(app)
})

test('incoming X-Forwarded-* are replaced, or with trustProxy appended to', async () => {
  const backend = keep(await answering())
  const headers = {
    'x-forwarded-port': '1',
    forwarded: 'for=6.6.6.6',
    'x-forwarded-for': '6.6.6.6',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'front.example',
  }
  const [plain, trusting] = [
    await gateway({ backends: [backend.url] }),
    await gateway({ backends: [backend.url], trustProxy: true }),
  ]
  await call(plain.url, { headers })
  await call(trusting.url, { headers })
  const [replaced, appended] = backend.seen.map((seen) => seen.headers)
  assert.equal(replaced?.['x-forwarded-for'], '127.0.0.1')
  assert.deepEqual([replaced?.['x-forwarded-port'], appended?.['x-forwarded-port']], [undefined, '1'])
  const own = (app: Running) => `for=127.0.0.1;proto=http;host="${new URL(app.url).host}"`
  assert.equal(replaced?.forwarded, own(plain))
  assert.equal(appended?.forwarded, 'for=6.6.6.6, for=127.0.0.1;proto=https;host="front.example"')
  assert.equal(replaced?.['x-forwarded-proto'], 'http')
  assert.equal(replaced?.['x-forwarded-host'], new URL(plain.url).host)
  assert.equal(appended?.['x-forwarded-for'], '6.6.6.6, 127.0.0.1')
  assert.equal(appended?.['x-forwarded-proto'], 'https')
  assert.equal(appended?.['x-forwarded-host'], 'front.example')
})

test('the Host a backend sees is the client’s or its own, by pool and by backend', async () => {
  const [first, second] = [keep(await answering()), keep(await answering())]
  const app = await gateway({
    hostHeader: 'backend',
    policy: 'round-robin',
    backends: [first.url, { url: second.url, hostHeader: 'client' }],
  })
  for (let i = 0; i < 2; i++) await call(app.url, { headers: { host: 'shop.example' } })
  assert.equal(first.seen[0]?.headers.host, new URL(first.url).host)
  assert.equal(second.seen[0]?.headers.host, 'shop.example')
})

test('fields that concern one connection stay on it, both ways', async () => {
  const backend = keep(
    await new TestBackend((_request, response) => {
      response.writeHead(200, {
        connection: ['close, x-hop', 'x-hip'],
        'x-hop': '1',
        'x-hip': '1',
        'keep-alive': 'timeout=1',
        'x-end': '1',
      })
      response.end('ok')
    }).listen(),
  )
  const app = await gateway({ backends: [backend.url] })
  const request = httpRequest(app.url, {
    agent: new Agent({ keepAlive: true }),
    headers: {
      connection: 'x-mine, keep-alive',
      'x-mine': '1',
      'keep-alive': 'timeout=5',
      te: 'gzip',
      'proxy-authorization': 'Basic eA==',
      'x-end': '1',
    },
  }).end()
  const [response] = await once(request, 'response')
  response.resume()
  assert.equal(response.statusCode, 200)
  const { 'x-hop': hop, 'x-hip': hip, 'x-end': end } = response.headers
  assert.deepEqual([hop, hip, end], [undefined, undefined, '1'])
  assert.equal(response.headers.connection, 'keep-alive', "the backend's close is not the client's")
  const seen = backend.seen[0]?.headers
  assert.deepEqual(
    [seen?.['x-mine'], seen?.['keep-alive'], seen?.te, seen?.['proxy-authorization'], seen?.['x-end']],
    [undefined, undefined, undefined, undefined, '1'],
  )
})

test('HEAD, 204 and 304 pass without a body', async () => {
  const backend = keep(
    await new TestBackend((request, response) => {
      if (request.method === 'HEAD') response.setHeader('content-length', 1234)
      else response.statusCode = Number(request.url?.slice(1))
      response.end()
    }).listen(),
  )
  const app = await gateway({ backends: [backend.url] })
  const head = await call(app.url, { method: 'HEAD' })
  assert.deepEqual([head.status, head.headers['content-length'], head.text], [200, '1234', ''])
  assert.equal((await call(`${app.url}/204`)).status, 204)
  assert.equal((await call(`${app.url}/304`)).status, 304)
  await settled(app)
  assert.equal(only(app).failed, 0)
})

test('a body passes as it comes: the first chunk is answered before the last is sent', async () => {
  const backend = keep(
    await new TestBackend((request, response) => {
      response.writeHead(200)
      request.pipe(response)
    }).listen(),
  )
  const app = await gateway({ backends: [backend.url] })
  const { port } = new URL(app.url)
  const request = httpRequest({ port, host: '127.0.0.1', method: 'POST' })
  request.write('one')
  const [response] = await once(request, 'response')
  const [first] = await once(response, 'data')
  assert.equal(String(first), 'one')
  assert.equal(only(app).inFlight, 1)
  request.end('two')
  const [second] = await once(response, 'data')
  assert.equal(String(second), 'two')
  await settled(app)
})

test('50 MB pass each way unchanged', async () => {
  const chunk = Buffer.alloc(1024 * 1024, 'x')
  const backend = keep(
    await new TestBackend((request, response) => {
      let bytes = 0
      request.on('data', (data: Buffer) => {
        bytes += data.length
      })
      request.on('end', () => {
        response.setHeader('x-got', bytes)
        Readable.from(Array(50).fill(chunk)).pipe(response)
      })
    }).listen(),
  )
  const app = await gateway({ backends: [backend.url] })
  const reply = await call(app.url, { method: 'PUT', body: Readable.from(Array(50).fill(chunk)) })
  assert.equal(reply.headers['x-got'], String(50 * chunk.length))
  assert.equal(reply.text.length, 50 * chunk.length)
  await settled(app)
})

test('no usable backend: 503 with Retry-After, and no count', async () => {
  const app = await gateway({})
  const { status, headers, text } = await call(app.url)
  const { code, statusCode, error } = JSON.parse(text)
  assert.deepEqual(
    [status, statusCode, code, error],
    [503, 503, 'LEASTWISE_NO_BACKEND', 'Service Unavailable'],
  )
  assert.match(String(headers['retry-after']), /^[1-9]\d*$/)
})

test('all at their limit and no queue: 503; a slot that is freed is used', async () => {
  const backend = await holding()
  keep(backend)
  const app = await gateway({ backends: [backend.url], maxConnections: 2, queueLimit: 0 })
  const held = [call(app.url), call(app.url)]
  await backend.untilOpen(2)
  const refused = await call(app.url)
  assert.deepEqual([refused.status, JSON.parse(refused.text).code], [503, 'LEASTWISE_QUEUE_FULL'])
  assert.ok(refused.headers['retry-after'])
  backend.release()
  await Promise.all(held)
  const again = call(app.url)
  await backend.untilOpen(1)
  backend.release()
  assert.equal((await again).status, 200)
  assert.equal(backend.total, 3)
})

test('a backend that refuses: 502', async () => {
  const app = await gateway({ backends: [deadUrl()] })
  for (const method of ['GET', 'POST'] as const) {
    const { status, text } = await call(app.url, { method, ...(method === 'POST' && { body: 'x' }) })
    assert.deepEqual([status, JSON.parse(text).code], [502, 'LEASTWISE_BAD_GATEWAY'])
  }
  await settled(app)
  assert.equal(only(app).failed, 2)
})

test('a backend that resets or babbles before headers: 502', async () => {
  for (const last of ['', 'HTTP/1.1 999999 what\r\n\r\n', '\0\0\0\0']) {
    const server = createServer((socket: Socket) => socket.once('data', () => socket.end(last)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const app = await gateway({ backends: [`http://127.0.0.1:${port}`] })
    const { status, text } = await call(app.url)
    assert.deepEqual([status, JSON.parse(text).code], [502, 'LEASTWISE_BAD_GATEWAY'], JSON.stringify(last))
    await settled(app)
    assert.equal(only(app).failed, 1)
    server.close()
  }
})

test('a backend that is silent: 504, and the lease is gone', async () => {
  const backend = keep(await holding())
  const app = await gateway({ backends: [backend.url], responseTimeout: 500 })
  const { status, text } = await call(app.url)
  assert.deepEqual([status, JSON.parse(text).code], [504, 'LEASTWISE_GATEWAY_TIMEOUT'])
  await backend.untilOpen(0)
  await settled(app)
  assert.equal(only(app).failed, 1)
})

test('a backend that falls silent in mid-body is cut after bodyTimeout, and had answered well', async () => {
  const backend = keep(await new TestBackend((_request, response) => response.write('half')).listen())
  const app = await gateway({ backends: [backend.url], bodyTimeout: 500 })
  await assert.rejects(call(app.url))
  await backend.untilOpen(0)
  await settled(app)
  assert.equal(only(app).failed, 0)
})

test('a backend that dies in mid-body cuts the connection: never a clean end', async () => {
  const backend = keep(
    await new TestBackend((_request, response) => {
      response.writeHead(200)
      response.write('half', () => response.destroy())
    }).listen(),
  )
  const app = await gateway({ backends: [backend.url] })
  await assert.rejects(call(app.url))
  await settled(app)
  assert.equal(only(app).failed, 1)
})

test("a backend's own 500, 502, 503 and 504 pass as they are and count as failed; 501 and 404 do not", async () => {
  const backend = keep(
    await new TestBackend((request, response) => {
      response.statusCode = Number(request.url?.slice(1))
      response.setHeader('retry-after', 7)
      response.end('mine')
    }).listen(),
  )
  const app = await gateway({ backends: [backend.url] })
  for (const status of [500, 501, 502, 503, 504, 404]) {
    const reply = await call(`${app.url}/${status}`)
    assert.deepEqual([reply.status, reply.text, reply.headers['retry-after']], [status, 'mine', '7'])
  }
  await settled(app)
  assert.deepEqual([backend.total, only(app).failed], [6, 4], 'and none was repeated')
})

test('the client leaves before the answer: the backend is told, and is not to blame', async () => {
  for (const method of ['GET', 'POST']) {
    const backend = keep(await holding())
    const app = await gateway({ backends: [backend.url] })
    const request = httpRequest(app.url, { method })
    request.on('error', () => {})
    request.end(method === 'POST' ? 'whole body' : undefined)
    await backend.untilOpen(1)
    assert.equal(only(app).inFlight, 1)
    request.destroy()
    await backend.untilOpen(0)
    await settled(app)
    assert.deepEqual([only(app).total, only(app).failed], [1, 0], method)
  }
})

test('the client leaves in mid-answer and in mid-upload: the same', async () => {
  const backend = keep(
    await new TestBackend((request, response) => {
      if (request.method === 'GET') response.write('first of many')
      request.resume()
    }).listen(),
  )
  const app = await gateway({ backends: [backend.url] })

  const down = httpRequest(app.url).end()
  down.on('error', () => {})
  const [response] = await once(down, 'response')
  response.on('error', () => {})
  await once(response, 'data')
  down.destroy()
  await backend.untilOpen(0)
  await settled(app)

  const up = httpRequest(app.url, { method: 'POST', headers: { 'content-length': 1_000_000 } })
  up.on('error', () => {})
  up.write('only the beginning')
  await backend.untilOpen(1)
  up.destroy()
  await backend.untilOpen(0)
  await settled(app)
  assert.deepEqual([only(app).total, only(app).failed], [2, 0])
})

test('a pipelined request whose turn never comes leaves no count behind', async () => {
  const backend = keep(await holding())
  const app = await gateway({ backends: [backend.url] })
  const socket = connect(Number(new URL(app.url).port), '127.0.0.1')
  socket.on('error', () => {})
  socket.write(
    'GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\nGET /3 HTTP/1.1\r\nhost: a\r\n\r\n',
  )
  await backend.untilOpen(3)
  assert.equal(only(app).inFlight, 3)
  socket.destroy()
  await backend.untilOpen(0)
  await settled(app)
})

test('a backend that is removed by force is cut: 502, or a broken connection where the answer had begun', async () => {
  const silent = keep(await holding())
  const app = await gateway({ backends: [{ url: silent.url, id: 'a' }] })
  const waiting = call(app.url)
  await silent.untilOpen(1)
  app.balancer.registry.remove('a', { force: true })
  const { status, text } = await waiting
  assert.deepEqual([status, JSON.parse(text).code], [502, 'LEASTWISE_BAD_GATEWAY'])
  await silent.untilOpen(0)

  const streaming = keep(await new TestBackend((_request, response) => response.write('on and on')).listen())
  app.balancer.registry.add({ url: streaming.url, id: 'b' })
  const request = httpRequest(app.url).end()
  const [response] = await once(request, 'response')
  await once(response, 'data')
  app.balancer.registry.drain('b', 0)
  await assert.rejects(once(response, 'end'), { code: 'ECONNRESET' })
  await streaming.untilOpen(0)
  assert.equal(app.balancer.registry.get('b').inFlight, 0)
})

test('a request that is refused before it has a backend costs no lease', async () => {
  const backend = keep(await answering())
  const app = await gateway({ prefix: '/api', rewritePrefix: '/v1', backends: [backend.url], maxBody: 10 })
  const raw = (text: string) =>
    new Promise<string>((resolve) => {
      const socket = connect(Number(new URL(app.url).port), '127.0.0.1', () => socket.write(text))
      let answer = ''
      socket.on('data', (data) => {
        answer += data
      })
      socket.on('close', () => resolve(answer))
      socket.on('error', () => {})
    })
  for (const malformed of [
    'NONSENSE\r\n\r\n',
    'GET /api HTTP/1.1\r\n\r\n',
    'GET /api HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n',
    'POST /api HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    'GET /api/%zz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
    'GET /api/../secret HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n',
  ]) {
    assert.match(await raw(malformed), /^HTTP\/1\.1 400 /, JSON.stringify(malformed))
  }
  const long = await call(`${app.url}/api`, { method: 'POST', body: 'more than ten bytes' })
  assert.deepEqual([long.status, JSON.parse(long.text).code], [413, 'LEASTWISE_BODY_TOO_LARGE'])
  assert.deepEqual([only(app).total, backend.total], [0, 0])
})

test('a body of unannounced length ends at maxBody', async () => {
  const backend = keep(await answering())
  const app = await gateway({ backends: [backend.url], maxBody: 10 })
  const fits = await call(app.url, { method: 'POST', body: Readable.from(['12345', '67890']) })
  assert.equal(fits.status, 200)
  const long = await call(app.url, { method: 'POST', body: Readable.from(['12345', '67890', '!']) })
  assert.deepEqual([long.status, JSON.parse(long.text).code], [413, 'LEASTWISE_BODY_TOO_LARGE'])
  await settled(app)
  assert.equal(only(app).failed, 0, 'the backend is not to blame')
})

test('Expect: 100-continue is answered here', async () => {
  const backend = keep(await answering())
  const app = await gateway({ backends: [backend.url] })
  const request = httpRequest(app.url, { method: 'POST', headers: { expect: '100-continue' } })
  request.flushHeaders()
  await once(request, 'continue')
  request.end('body')
  const [response] = await once(request, 'response')
  assert.equal(response.statusCode, 200)
  response.resume()
})

/** A backend that says exactly `bytes`, and then does `end`. */
async function saying(
  bytes: string,
  end: (socket: Socket) => void = (socket) => socket.end(),
): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.write(bytes, () => end(socket)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(async () => server.close())
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}

test('a status that is none is a 502, and nobody dies of it', async () => {
  for (const status of [600, 999]) {
    const app = await gateway({
      backends: [await saying(`HTTP/1.1 ${status} X\r\ncontent-length: 2\r\n\r\nok`)],
    })
    const reply = await call(app.url)
    assert.deepEqual([reply.status, JSON.parse(reply.text).code], [502, 'LEASTWISE_BAD_GATEWAY'])
    await settled(app)
  }
})

test('a backend that dies between head and body: 502 without its fields, or a cut', async () => {
  const head = 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\ncontent-type: image/png\r\netag: "x"\r\n\r\n'
  for (const end of [(socket: Socket) => socket.resetAndDestroy(), (socket: Socket) => socket.destroy()]) {
    const app = await gateway({ backends: [await saying(head, end)] })
    const reply = await call(app.url).catch(() => undefined)
    if (reply) {
      assert.deepEqual([reply.status, JSON.parse(reply.text).code], [502, 'LEASTWISE_BAD_GATEWAY'])
      assert.deepEqual(
        [reply.headers.etag, reply.headers['content-type']],
        [undefined, 'application/json; charset=utf-8'],
      )
    }
    await settled(app)
    assert.equal(only(app).failed, 1)
  }
})

test('a host whose onSend takes its time survives a backend that does not', async () => {
  for (const onSend of [
    async (_request: unknown, _reply: unknown, payload: unknown) => {
      await new Promise((resolve) => setTimeout(resolve, 50))
      return payload
    },
    async () => 'something else',
    async () => {
      throw new Error('mine')
    },
  ]) {
    const app = keep(Fastify({ forceCloseConnections: true }))
    app.addHook('onSend', onSend)
    const head = 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf'
    await app.register(leastwise, { backends: [await saying(head, (socket) => socket.resetAndDestroy())] })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    await call(url).catch(() => {})
    while (app.balancer.registry.inFlight > 0) await new Promise(setImmediate)
  }
})

test('a body without a length that ends in a reset is not a clean end', async () => {
  let reset = () => {}
  const open = await saying('HTTP/1.1 200 OK\r\n\r\nhalf', (socket) => {
    reset = () => socket.resetAndDestroy()
  })
  const app = await gateway({ backends: [open] })
  const request = httpRequest(app.url).end()
  const [response] = await once(request, 'response')
  await once(response, 'data')
  reset()
  await assert.rejects(once(response, 'end'), { code: 'ECONNRESET' })
  await settled(app)
  assert.equal(only(app).failed, 1)
  const clean = await gateway({ backends: [await saying('HTTP/1.1 200 OK\r\n\r\nwhole')] })
  assert.equal((await call(clean.url)).text, 'whole')
})

test('a 304 may name the length of what it does not send', async () => {
  const head = 'HTTP/1.1 304 Not Modified\r\netag: "x"\r\ncontent-length: 1234\r\n\r\n'
  const app = await gateway({ backends: [await saying(head, () => {})] })
  const request = httpRequest(app.url).end()
  const [response] = await once(request, 'response')
  response.resume()
  assert.deepEqual([response.statusCode, response.headers.etag], [304, '"x"'])
  await settled(app)
  assert.equal(only(app).failed, 0)
})

test('a head that comes before its body is passed on at once', async () => {
  let finish = () => {}
  const backend = keep(
    await new TestBackend((_request, response) => {
      response.flushHeaders()
      finish = () => response.end('event')
    }).listen(),
  )
  const app = await gateway({ backends: [backend.url] })
  const request = httpRequest(app.url).end()
  const [response] = await once(request, 'response')
  finish()
  assert.equal(String((await once(response, 'data'))[0]), 'event')
  await settled(app)
})

test('a body reaches the backend with any method, and with any content-type or none', async () => {
  const backend = keep(
    await new TestBackend((request, response) => {
      response.setHeader('x-type', request.headers['content-type'] ?? 'none')
      request.pipe(response)
    }).listen(),
  )
  const app = await gateway({ backends: [backend.url], maxBody: 10 })
  const ask = async (method: string, body: string, headers: Record<string, string | number> = {}) => {
    const request = httpRequest(app.url, { method, headers: { 'content-length': body.length, ...headers } })
    request.end(body)
    const [response] = await once(request, 'response')
    const text = (await response.setEncoding('utf8').toArray()).join('')
    return [response.statusCode, response.headers['x-type'], text]
  }
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    assert.deepEqual(await ask(method, 'hello'), [200, 'none', 'hello'], method)
  }
  for (const type of ['text', 'a/b; c', ';', 'application/json']) {
    assert.deepEqual(await ask('POST', '{', { 'content-type': type }), [200, type, '{'], type)
  }
  assert.equal((await ask('GET', 'more than ten bytes'))[0], 413)
  await settled(app)
})

test('what follows a request is not answered into the middle of its answer, but after it', async () => {
  let finish = () => {}
  const backend = keep(
    await new TestBackend((_request, response) => {
      response.write('half')
      finish = () => response.end('whole')
    }).listen(),
  )
  const app = await gateway({ backends: [backend.url] })
  const client = new RawClient(app.url).send('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await client.until('half')
  client.send('no request\r\n\r\n')
  await new Promise((resolve) => setTimeout(resolve, 50))
  // A name in Via is random, and may have any digits.
  assert.match(client.text, /half\s*$/)
  finish()
  const answer = await client.untilClosed()
  assert.match(answer, /^HTTP\/1\.1 200 OK[\s\S]*half[\s\S]*whole\r\n0\r\n\r\nHTTP\/1\.1 400 [\s\S]*}$/)
  await settled(app)
})

test('the time that hooks of the app take is nowhere counted as the backend’s', async () => {
  const backend = keep(await answering())
  const lines: Record<string, unknown>[] = []
  const stream = { write: (line: string) => lines.push(JSON.parse(line)) }
  const app = Fastify({ forceCloseConnections: true, logger: { stream }, disableRequestLogging: true })
  let hookEndedAt = 0
  app.addHook('preHandler', async ({ assignment, url }) => {
    const { lease } = assignment ?? {}
    assert.equal(lease?.backend.inFlight, 1, 'the lease is held meanwhile')
    assert.equal(lease?.dispatchedAt, undefined)
    await new Promise((resolve) => setTimeout(resolve, 30))
    hookEndedAt = app.balancer.clock.now()
    if (url === '/refused') throw Object.assign(new Error('no'), { statusCode: 403 })
  })
  await app.register(leastwise, { backends: [backend.url], accessLog: true })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  keep(app)
  const lineOf = async (path: string) => {
    for (;;) {
      const line = lines.find((one) => one.path === path)
      if (line) return line
      await new Promise(setImmediate)
    }
  }
  assert.equal((await call(`${url}/answered`)).status, 200)
  const { upstreamTime } = await lineOf('/answered')
  const sinceHook = app.balancer.clock.now() - hookEndedAt
  const { latency } = app.balancer.registry.list()[0]?.view() ?? assert.fail()
  assert.ok(latency.p50 > 0 && latency.p50 <= sinceHook, `${latency.p50} of ${sinceHook}`)
  assert.ok(Number(upstreamTime) > 0 && Number(upstreamTime) <= sinceHook + 0.001, `${upstreamTime}`)
  assert.equal((await call(`${url}/refused`)).status, 403)
  assert.equal((await lineOf('/refused')).upstreamTime, null)
  assert.equal(app.balancer.registry.inFlight, 0)
})

test('with more backends than reply-from keeps addresses of, no request costs a look into one', async () => {
  const server = await new TestBackend((_request, response) => response.end('ok')).listen()
  const backend = keep(server)
  // All of 127.0.0.0/8 is this machine.
  backend.server.close()
  await once(backend.server, 'close')
  backend.server.listen(0, '0.0.0.0')
  await once(backend.server, 'listening')
  const backends = Array.from({ length: 150 }, (_, i) => `http://127.0.1.${i + 1}:${backend.port}`)
  const app = await gateway({ backends, policy: 'round-robin' })
  const round = async () => {
    for (let i = 0; i < backends.length; i++) assert.equal((await call(app.url)).status, 200)
  }
  await round()
  const { URL } = globalThis
  const parsed: string[] = []
  globalThis.URL = class extends URL {
    constructor(url: string | globalThis.URL, base?: string | globalThis.URL) {
      super(url, base)
      // Clients that are made anew, as connections were idle for too long, parse one as well.
      if (new Error().stack?.includes('reply-from')) parsed.push(this.href)
    }
  }
  try {
    await round()
  } finally {
    globalThis.URL = URL
  }
  assert.deepEqual(parsed, [])
  assert.ok(app.balancer.registry.list().every(({ leases }) => leases.total === 2))
})
