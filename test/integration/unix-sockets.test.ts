import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { type Handler, TestBackend } from '../support/backend.js'
import { call } from '../support/client.js'
import { openGateway } from '../support/gateway.js'
import { RawBackend, RawClient } from '../support/raw.js'

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
  // Two clients send requests to a backend, and each keeps its connection.
  assert.ok(backend.sockets.size <= 2)
})

test('a WebSocket goes through a Unix socket', async (t) => {
  const backend = await new RawBackend('').listen(freePath())
  t.after(() => backend.close())
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
