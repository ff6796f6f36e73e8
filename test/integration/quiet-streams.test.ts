import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import Fastify from 'fastify'
import leastwise from '../../src/index.js'
import { answering } from '../support/backend.js'
import { openGateway } from '../support/gateway.js'
import { startGateway } from '../support/process.js'
import { field, RawBackend, RawClient } from '../support/raw.js'

/** Answers of this type, of which no more comes until `more`. */
async function streaming(type: string, status = '200 OK') {
  const sockets: Socket[] = []
  const backend = await new RawBackend(() => {}).listen()
  backend.script = (socket) => {
    sockets.push(socket)
    socket.write(
      `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n`,
    )
  }
  const more = (chunk: string) => {
    for (const socket of sockets) socket.write(chunk)
  }
  return Object.assign(backend, { more })
}

/** One failure ejects, and a body may be silent for this long. */
const strict = { EJECT_CONSECUTIVE: '1', BODY_TIMEOUT: '150', RETRIES: '0' }
/** Several times that. */
const longSilence = () => new Promise((resolve) => setTimeout(resolve, 600))

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
/** An upload that has begun, and goes on with nothing. */
const post = 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'
const whole = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody'

async function pool(t: TestContext, type: string, status?: string) {
  const backend = await streaming(type, status)
  const other = await answering()
  const gateway = await openGateway([`${backend.url};weight=1000`, other], strict)
  t.after(async () => {
    await gateway.close()
    await backend.close()
    await other.close()
  })
  return { backend, gateway }
}

for (const type of [
  'text/event-stream',
  'Text/Event-Stream; charset=utf-8',
  'multipart/x-mixed-replace; boundary=frame',
  'application/x-ndjson',
  'application/grpc-web+proto',
]) {
  test(`${type} may be silent, whatever BODY_TIMEOUT says`, async (t) => {
    const { backend, gateway } = await pool(t, type)
    const clients = [get, whole].map((text) => new RawClient(gateway.url).send(text))
    await Promise.all(clients.map((client) => client.until('first')))
    await longSilence()
    backend.more('4\r\nlast\r\n0\r\n\r\n')
    for (const client of clients) await client.until(/last\r\n0\r\n\r\n$/)
    await gateway.settled()
    const { health, share, failed } = gateway.backend().view()
    assert.deepEqual({ health, share, failed }, { health: 'unknown', share: 1, failed: 0 })
    for (const client of clients) client.close()
  })
}

test('an upload may be as silent as the stream that answers it', async (t) => {
  const { backend, gateway } = await pool(t, 'application/x-ndjson')
  backend.script = ''
  const client = new RawClient(gateway.url).send(post)
  await backend.until(({ unfinished }) => unfinished.endsWith('half\r\n'))
  const far = backend.heardOn as Socket
  far.write(
    'HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n',
  )
  await client.until('first')
  await longSilence()
  client.send('4\r\nrest\r\n0\r\n\r\n')
  await backend.until(({ requests }) => requests.length > 0)
  far.write('4\r\nlast\r\n0\r\n\r\n')
  await client.until(/last\r\n0\r\n\r\n$/)
  client.close()
})

test('any other body is cut, and that is nobody’s failure', async (t) => {
  const { gateway } = await pool(t, 'application/json')
  for (const text of [get, whole]) {
    const answer = await new RawClient(gateway.url).send(text).untilClosed()
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*first\r\n$/)
  }
  await gateway.settled()
  const { health, share, failed } = gateway.backend().view()
  assert.deepEqual({ health, share, failed }, { health: 'unknown', share: 1, failed: 0 })
})

test('one whose head was a failure is a failure, however it ends', async (t) => {
  const { gateway } = await pool(t, 'application/json', '503 Sorry')
  await new RawClient(gateway.url).send(get).untilClosed()
  await gateway.settled()
  const { health, failed } = gateway.backend().view()
  assert.deepEqual({ health, failed }, { health: 'ejected', failed: 1 })
})

test('a cut stream is cancelled, and not failed, in log and metrics', async (t) => {
  const backend = await streaming('text/plain')
  const process = await startGateway({ ...strict, BACKENDS: `${backend.url};id=a` })
  t.after(async () => {
    await process.stop()
    await backend.close()
  })
  await new RawClient(process.url).send(get).untilClosed()
  const { outcome, error, cause } = await process.line(({ msg }) => msg === 'request')
  assert.deepEqual([outcome, error], ['cancelled', 'LEASTWISE_GATEWAY_TIMEOUT'])
  assert.deepEqual(cause, { code: 'BODY_TIMEOUT', text: 'timed out waiting for the body' })
  const metrics = await new RawClient(process.admin)
    .send('GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    .untilClosed()
  const value = (pattern: RegExp) => Number(pattern.exec(metrics)?.[1] ?? 0)
  assert.equal(value(/leastwise_requests_total\{[^}]*outcome="cancelled"[^}]*\} (\d+)/), 1)
  assert.equal(value(/leastwise_requests_total\{[^}]*outcome="failed"[^}]*\} ([1-9]\d*)/), 0)
  assert.equal(value(/leastwise_backend_attempts_total\{[^}]*outcome="failed"[^}]*\} (\d+)/), 0)
})

test('fourteen silent streams on two backends: none is cut, and none is ejected', async (t) => {
  const backends = [await streaming('text/event-stream'), await streaming('text/event-stream')]
  const gateway = await openGateway(backends, { BODY_TIMEOUT: '150' })
  t.after(async () => {
    await gateway.close()
    for (const backend of backends) await backend.close()
  })
  const clients = Array.from({ length: 14 }, () => new RawClient(gateway.url).send(get))
  for (const client of clients) await client.until('first')
  await longSilence()
  assert.equal(gateway.balancer.registry.inFlight, 14)
  for (const backend of backends) backend.more('4\r\nlast\r\n')
  for (const client of clients) await client.until('last')
  assert.ok(gateway.balancer.registry.list().every(({ health }) => health === 'unknown'))
  for (const client of clients) client.close()
})

test('a client that does not read its stream is cut all the same', async (t) => {
  const { backend, gateway } = await pool(t, 'text/event-stream')
  const client = new RawClient(gateway.url)
  client.socket.removeAllListeners('data')
  client.send(get)
  await backend.until(({ requests }) => requests.length === 1)
  client.socket.pause()
  const size = 32 * 1024 * 1024
  backend.more(`${size.toString(16)}\r\n${'x'.repeat(size)}`)
  await backend.until(({ sockets }) => sockets.size === 0)
  assert.equal(gateway.backend().leases.failed, 0)
  client.close()
})

test('over HTTP/2, too', async (t) => {
  const backend = await streaming('text/event-stream')
  const app = Fastify({ http2: true, forceCloseConnections: true } as object)
  await app.register(leastwise, { backends: [backend.url], bodyTimeout: 150 })
  const session = http2.connect(await app.listen({ port: 0, host: '127.0.0.1' }))
  t.after(async () => {
    session.destroy()
    await app.close()
    await backend.close()
  })
  const stream = session.request({ ':path': '/' }).setEncoding('utf8')
  assert.deepEqual(await once(stream, 'data'), ['first'])
  await longSilence()
  backend.more('4\r\nlast\r\n')
  assert.deepEqual(await once(stream, 'data'), ['last'])
})

test('what has a length is no stream', async (t) => {
  const { backend, gateway } = await pool(t, 'text/event-stream')
  backend.script = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 9\r\n\r\nhalf'
  const answer = await new RawClient(gateway.url).send(get).untilClosed()
  assert.equal(field(answer, 'content-length'), '9')
})
