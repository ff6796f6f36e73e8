import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import Fastify from 'fastify'
import leastwise from '../../src/index.js'
import { answering, type Handler, holding, TestBackend } from '../support/backend.js'
import { call, load } from '../support/client.js'
import { noPassiveHealth, openGateway } from '../support/gateway.js'
import { exchange, field, RawBackend, RawClient } from '../support/raw.js'

const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
after(() => rmSync(folder, { recursive: true }))

let sockets = 0
const freePath = () => join(folder, `${++sockets}.sock`)

/** Answers with what was asked. */
const echo: Handler = (request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    const { method, url, headers } = request
    response.setHeader('x-seen', JSON.stringify({ method, url, host: headers.host }))
    response.end(Buffer.concat(chunks))
  })
}

async function listening(t: TestContext, handler: Handler = echo, path = freePath()): Promise<TestBackend> {
  const backend = await new TestBackend(handler).listen(path)
  t.after(() => backend.close())
  return backend
}

async function raw(t: TestContext): Promise<RawBackend> {
  const backend = await new RawBackend('').listen(freePath())
  t.after(() => backend.close())
  return backend
}

async function gatewayTo(
  t: TestContext,
  backends: (string | { url: string })[],
  env: Record<string, string> = {},
) {
  const gateway = await openGateway(backends, env)
  t.after(() => gateway.close())
  return gateway
}

test('requests of every kind reach a Unix socket, on connections that are kept', async (t) => {
  const backend = await listening(t)
  const gateway = await gatewayTo(t, [backend])
  const body = 'x'.repeat(100_000)
  for (const [method, sent] of [
    ['GET', ''],
    ['GET', ''],
    ['HEAD', ''],
    ['DELETE', ''],
    ['POST', 'small'],
    ['PUT', body],
    ['PATCH', body],
  ] as const) {
    const { status, headers, text } = await call(`${gateway.url}/a?b`, {
      method,
      headers: { host: 'shop.example' },
      ...(sent && { body: sent }),
    })
    assert.equal(status, 200)
    assert.deepEqual(JSON.parse(`${headers['x-seen']}`), { method, url: '/a?b', host: 'shop.example' })
    assert.equal(text, sent)
  }
  await gateway.settled()
  assert.equal(backend.sockets.size, 1)
})

test('uploads in chunks, trailers and responses without a length go through a Unix socket', async (t) => {
  const backend = await raw(t)
  const gateway = await gatewayTo(t, [backend])
  const post =
    'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n'
  backend.script =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n2\r\nok\r\n0\r\nX-End: 1\r\n\r\n'
  const answer = await exchange(gateway.url, `${post}4\r\nbody\r\n0\r\nX-Sum: 9\r\n\r\n`)
  assert.match(backend.last, /4\r\nbody\r\n0\r\nx-sum: 9\r\n\r\n$/i)
  assert.match(answer, /^HTTP\/1\.1 200 .*2\r\nok\r\n0\r\nx-end: 1\r\n\r\n$/is)
  backend.script = (socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\nto the end')
  assert.match(await exchange(gateway.url, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n'), /\r\n\r\nto the end$/)
  backend.script = (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ntoo short')
  const client = new RawClient(gateway.url).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.match(await client.untilClosed(), /^HTTP\/1\.1 200 .*too short$/s)
})

test('a WebSocket goes through a Unix socket', async (t) => {
  const backend = await raw(t)
  const gateway = await gatewayTo(t, [backend])
  backend.script = (socket) => {
    backend.release(socket)
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello')
    socket.pipe(socket)
  }
  const client = new RawClient(gateway.url).send(
    'GET /chat HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  )
  await client.until(/^HTTP\/1\.1 101 .*hello$/s)
  client.send('ping')
  await client.until('helloping')
  assert.equal(gateway.backend().inFlight, 1)
  client.socket.end()
  await client.untilClosed()
  await gateway.settled()
})

test('the own Host of a Unix socket is localhost, and forwarding fields say what they always do', async (t) => {
  const backend = await raw(t)
  const gateway = await gatewayTo(t, [`${backend.url};hostHeader=backend`])
  backend.script = 'HTTP/1.1 204 No Content\r\n\r\n'
  await exchange(gateway.url, 'GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n')
  const names = ['host', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto']
  assert.deepEqual(
    names.map((name) => field(backend.last, name)),
    ['localhost', '127.0.0.1', 'shop.example', 'http'],
  )
})

test('a redirect to the own address of a Unix socket is put back under the prefix', async (t) => {
  const backend = await raw(t)
  const app = Fastify({ forceCloseConnections: true })
  t.after(() => app.close())
  await app.register(leastwise, { prefix: '/api', backends: [{ url: backend.url, hostHeader: 'backend' }] })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  for (const [location, expected] of [
    ['http://localhost/login', '/api/login'],
    ['http://localhost:80/login', '/api/login'],
    ['/login', '/api/login'],
    ['http://localhost:8080/login', 'http://localhost:8080/login'],
    ['https://localhost/login', 'https://localhost/login'],
  ] as const) {
    backend.script = `HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`
    const answer = await exchange(
      url,
      'GET /api/a HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n',
    )
    assert.equal(field(answer, 'location'), expected)
  }
})

test('three Unix sockets and two ports share the requests of one pool', async (t) => {
  const backends = [
    await listening(t),
    await listening(t),
    await listening(t),
    await answering(),
    await answering(),
  ]
  t.after(() => Promise.all(backends.map((backend) => backend.close())))
  const gateway = await gatewayTo(t, backends, { SLOW_START: '0' })
  assert.deepEqual([...(await load(gateway.url, { total: 200, concurrency: 5 }))], [[200, 200]])
  await gateway.settled()
  for (const { total } of backends) assert.ok(total >= 20, `${total} of 200 requests`)
  assert.deepEqual(
    gateway.balancer.registry.list().map(({ leases }) => leases.total),
    backends.map(({ total }) => total),
  )
})

test('a Unix socket is drained: what is in flight ends, nothing new comes', async (t) => {
  const backend = await holding(freePath())
  t.after(() => backend.close())
  const gateway = await gatewayTo(t, [`${backend.url};id=a`])
  const asked = call(gateway.url)
  await backend.untilOpen(1)
  const drained = once(gateway.balancer.registry, 'drained')
  gateway.balancer.registry.drain('a')
  assert.equal((await call(gateway.url)).status, 503)
  backend.release()
  assert.equal((await asked).text, 'held')
  await drained
  assert.equal(backend.total, 1)
  gateway.balancer.registry.remove('a')
  while (backend.sockets.size > 0) await new Promise(setImmediate)
})

test('a server that begins anew on the same path is found again', async (t) => {
  const path = freePath()
  const gateway = await gatewayTo(t, [`unix:${path}`], { RETRIES: '0', ...noPassiveHealth })
  for (let round = 0; round < 3; round++) {
    assert.equal((await call(gateway.url)).status, 502)
    const backend = await listening(t, echo, path)
    for (const body of ['', 'body']) {
      const { text, status } = await call(gateway.url, { ...(body && { method: 'POST', body }) })
      assert.deepEqual([status, text], [200, body])
    }
    await backend.close()
  }
})

test('while a socket does not exist, every request is sent elsewhere, uploads too', async (t) => {
  const path = freePath()
  const other = await listening(t)
  const gateway = await gatewayTo(t, [`unix:${path};weight=1000`, other.url], noPassiveHealth)
  for (let i = 0; i < 10; i++) {
    const { status, text } = await call(gateway.url, { method: 'POST', body: `${i}` })
    assert.deepEqual([status, text], [200, `${i}`])
  }
  const { failed } = gateway.backend().leases
  assert.ok(failed > 0)
  const backend = await listening(t, echo, path)
  while (backend.total === 0) assert.equal((await call(gateway.url)).status, 200)
  assert.equal(gateway.backend().leases.failed, failed)
})

/** Answers the connections that wait when it is told to, and accepts none before. */
const DEAF = `
const { parentPort, workerData } = require('node:worker_threads')
const server = require('node:http').createServer((_request, response) => response.end('late'))
server.listen({ path: workerData.path, backlog: 1 }, () => {
  parentPort.postMessage('listening')
  Atomics.wait(new Int32Array(workerData.gate), 0, 0)
})`

test('a socket whose queue is full is a failure of its backend, and no lack of the gateway', {
  skip: process.platform !== 'linux' && 'elsewhere connections wait',
}, async (t) => {
  const path = freePath()
  const gate = new SharedArrayBuffer(4)
  const worker = new Worker(DEAF, { eval: true, workerData: { path, gate } })
  t.after(() => worker.terminate())
  await once(worker, 'message')
  const gateway = await gatewayTo(t, [`unix:${path}`], { RETRIES: '0', ...noPassiveHealth })
  // Linux lets one more connection wait than the queue is long.
  const waiting = [1, 2].map(() => call(gateway.url))
  while (gateway.backend().inFlight < 2) await new Promise(setImmediate)
  const { status, text } = await call(gateway.url)
  assert.equal(status, 502)
  assert.match(JSON.parse(text).message, /takes no further connection on its socket$/)
  assert.equal(gateway.backend().leases.failed, 1)
  Atomics.store(new Int32Array(gate), 0, 1)
  Atomics.notify(new Int32Array(gate), 0)
  assert.deepEqual(await Promise.all(waiting.map(async (one) => (await one).text)), ['late', 'late'])
})

test('a client is told what is wrong with a socket, and not where it is', async (t) => {
  const file = join(folder, 'file')
  writeFileSync(file, '')
  for (const [path, message] of [
    [join(folder, 'none.sock'), 'the socket of the backend does not exist'],
    [join(file, 'below.sock'), 'the socket of the backend does not exist'],
    [file, 'nobody listens on the socket of the backend'],
    [folder, 'nobody listens on the socket of the backend'],
  ] as const) {
    const gateway = await gatewayTo(t, [`unix:${path}`], { RETRIES: '0' })
    for (const method of ['GET', 'POST'] as const) {
      const { status, text } = await call(gateway.url, { method })
      assert.equal(status, 502)
      assert.deepEqual(JSON.parse(text), {
        statusCode: 502,
        code: 'LEASTWISE_BAD_GATEWAY',
        error: 'Bad Gateway',
        message,
      })
    }
    assert.equal(gateway.backend().leases.failed, 2)
  }
})

test('a server that hangs up without a word is not taken for one that expects TLS', async (t) => {
  const backend = await raw(t)
  backend.script = (socket) => void socket.end()
  const gateway = await gatewayTo(t, [backend], { RETRIES: '0' })
  const { text } = await call(gateway.url)
  assert.equal(JSON.parse(text).message, 'the backend closed the connection before it had answered')
})

test('an abstract socket is connected to by its name', {
  skip: process.platform !== 'linux' && 'only Linux has abstract sockets',
}, async (t) => {
  const name = `leastwise ${process.pid}`
  const backend = await new TestBackend(echo).listen(`\0${name}`)
  t.after(() => backend.close())
  const gateway = await gatewayTo(t, [`unix:@${encodeURIComponent(name)}`], { RETRIES: '0' })
  for (const method of ['GET', 'POST'] as const)
    assert.equal((await call(gateway.url, { method })).status, 200)
  await backend.close()
  assert.equal(
    JSON.parse((await call(gateway.url)).text).message,
    'nobody listens on the socket of the backend',
  )
})
