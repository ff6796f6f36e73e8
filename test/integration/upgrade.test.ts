import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { after, afterEach, before, test } from 'node:test'
import Fastify from 'fastify'
import leastwise from '../../src/index.js'
import { type Gateway, openGateway } from '../support/gateway.js'
import { startGateway } from '../support/process.js'
import { bodyOf, exchange, field, RawBackend, RawClient } from '../support/raw.js'

const upgrade = (path = '/', fields = '', protocol = 'websocket') =>
  `GET ${path} HTTP/1.1\r\nHost: shop.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: ${protocol}\r\n${fields}\r\n`
const SWITCH =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Own: caf\xe9\r\n\r\n'
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

let backend: RawBackend
let gateway: Gateway
/** The backend's end of the last tunnel. */
let far: Socket

before(async () => {
  backend = await new RawBackend('').listen()
  gateway = await openGateway([backend], { BODY_TIMEOUT: '300', RESPONSE_TIMEOUT: '300' })
})
afterEach(async () => {
  await gateway.settled()
  await backend.until(({ sockets }) => sockets.size === 0)
  assert.deepEqual(gateway.complaints.splice(0), [])
  backend.requests.length = 0
})
after(async () => {
  await gateway.close()
  await backend.close()
})

/** Accepts the next upgrade; what comes on the tunnel then is `far`'s. */
function accept(first = '', halfOpen = false): void {
  backend.script = (socket) => {
    far = socket
    if (!halfOpen) far.on('end', () => socket.end())
    backend.release(socket)
    socket.write(SWITCH + first, 'latin1')
  }
}

async function tunnel(halfOpen = false): Promise<RawClient> {
  accept('', halfOpen)
  const client = new RawClient(gateway.url).send(upgrade())
  await client.until('\r\n\r\n')
  client.text = ''
  return client
}

const inFlight = () => gateway.balancer.registry.inFlight

test('an upgrade is a tunnel, chosen and counted like a request, until it is closed', async () => {
  accept('hello')
  const client = new RawClient(gateway.url).send(`${upgrade('/chat?x', 'Sec-WebSocket-Key: abc==\r\n')}`)
  const head = await client.until('hello')
  assert.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
  assert.deepEqual(
    ['connection', 'upgrade', 'x-own'].map((name) => field(head, name)),
    ['upgrade', 'websocket', 'caf\xe9'],
  )
  assert.match(field(head, 'via') as string, /^1\.1 leastwise-/)
  const { last } = backend
  assert.match(last, /^GET \/chat\?x HTTP\/1\.1\r\n/)
  assert.deepEqual(
    ['connection', 'upgrade', 'host', 'sec-websocket-key', 'x-forwarded-for'].map((name) =>
      field(last, name),
    ),
    ['upgrade', 'websocket', 'shop.example', 'abc==', '127.0.0.1'],
  )
  assert.equal(inFlight(), 1)
  client.send('\x00\xff one')
  assert.equal(String((await once(far, 'data'))[0].toString('latin1')), '\x00\xff one')
  far.write('two')
  await client.until('two')
  // Longer than any timeout of a request.
  await new Promise((resolve) => setTimeout(resolve, 700))
  far.write('three')
  await client.until('three')
  assert.equal(inFlight(), 1)
  client.close()
  await gateway.settled()
  const { total, failed } = gateway.backend().leases
  assert.deepEqual([total, failed], [1, 0])
})

test('what a client sends with its request for an upgrade is not lost', async () => {
  accept()
  const client = new RawClient(gateway.url).send(`${upgrade()}early`)
  await client.until('\r\n\r\n')
  assert.equal(String((await once(far, 'data'))[0]), 'early')
  client.close()
})

test('what one side ends, the other may go on with', async () => {
  for (const clientFirst of [true, false]) {
    const client = await tunnel(true)
    const [first, second] = clientFirst ? [client.socket, far] : [far, client.socket]
    second.resume()
    first.end('last words')
    await once(second, 'end')
    assert.equal(inFlight(), 1)
    second.write('answer')
    const [answer] = await once(first, 'data')
    assert.equal(String(answer), 'answer')
    second.end()
    await Promise.all([first, second].map((socket) => socket.closed || once(socket, 'close')))
    await gateway.settled()
  }
})

test('a reset of one side is a reset for the other', async () => {
  const forward = await tunnel()
  forward.reset()
  far.resume()
  const [error] = await once(far, 'error')
  assert.equal(error.code, 'ECONNRESET')
  const backward = await tunnel()
  far.resetAndDestroy()
  const [other] = await once(backward.socket, 'error')
  assert.equal(other.code, 'ECONNRESET')
})

test('a side that does not read holds the other back, and gets every byte in the end', async () => {
  const size = 48 * 1024 * 1024
  const bytes = Buffer.alloc(size)
  for (let i = 0; i < size; i += 4) bytes.writeUInt32BE(i, i)
  for (const down of [true, false]) {
    const client = await tunnel()
    client.socket.removeAllListeners('data')
    const [from, to] = down ? [far, client.socket] : [client.socket, far]
    to.pause()
    let written = false
    from.write(bytes, () => {
      written = true
    })
    // What fits is taken at once; the rest is held back.
    let before = -1
    while (from.bytesWritten - from.writableLength !== before) {
      before = from.bytesWritten - from.writableLength
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    assert.equal(written, false)
    const received: Buffer[] = []
    let seen = 0
    to.on('data', (chunk: Buffer) => {
      received.push(chunk)
      seen += chunk.length
    })
    to.resume()
    while (seen < size) await once(to, 'data')
    assert.ok(Buffer.concat(received).equals(bytes))
    client.close()
    far.destroy()
    await gateway.settled()
  }
})

test('a refused upgrade is answered as the backend answers it', async () => {
  backend.script = 'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nno!'
  const answer = await exchange(gateway.url, upgrade())
  assert.match(answer, /^HTTP\/1\.1 401 No\r\n/)
  assert.deepEqual([field(answer, 'www-authenticate'), bodyOf(answer)], ['Basic', 'no!'])
})

test('a backend that switches to what it was not asked for is 502', async () => {
  backend.script = SWITCH.replace('websocket', 'other')
  assert.match(await exchange(gateway.url, upgrade()), /^HTTP\/1\.1 502 /)
  backend.script = 'HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\n\r\n'
  assert.match(await exchange(gateway.url, upgrade()), /^HTTP\/1\.1 502 /)
})

test('one of several protocols that were offered may be chosen', async () => {
  accept()
  const client = new RawClient(gateway.url).send(upgrade('/', '', 'h2c, foo/1, WebSocket'))
  await client.until('\r\n\r\n')
  assert.equal(field(backend.last, 'upgrade'), 'foo/1, WebSocket')
  client.close()
})

test('a backend that is silent is 504, and one that is dead is passed over', async () => {
  backend.script = () => {}
  assert.match(await exchange(gateway.url, upgrade()), /^HTTP\/1\.1 504 /)
  const none = await openGateway(['http://127.0.0.1:1', backend])
  accept()
  for (let i = 0; i < 2; i++) {
    const client = new RawClient(none.url).send(upgrade())
    assert.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 101 /)
    client.close()
    await none.settled()
  }
  await none.close()
})

test('no backend: the answer of any request', async () => {
  const none = await openGateway([])
  assert.match(await exchange(none.url, upgrade()), /^HTTP\/1\.1 503 [\s\S]*LEASTWISE_NO_BACKEND/)
  await none.close()
})

test('h2c, a body with it, HTTP/1.0: the request is answered as if it asked for no upgrade', async () => {
  backend.script = OK
  const h2c =
    'GET /h2c HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n'
  const body =
    'POST /body HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\nContent-Length: 4\r\n\r\nbody'
  const client = new RawClient(gateway.url)
  // Node 25 and newer ignore what follows a request with a body whose upgrade is declined: its connection ends.
  const isLast = Number.parseInt(process.versions.node, 10) >= 25
  if (isLast) {
    await client.send(h2c).until(/ok$/)
    for (const text of [body, body + h2c]) {
      const answered = await new RawClient(gateway.url).send(text).untilClosed()
      assert.match(answered, /^HTTP\/1\.1 200 [\s\S]*\r\nconnection: close\r\n[\s\S]*ok$/i)
    }
  } else {
    for (const text of [h2c, body, h2c, body + h2c]) {
      client.text = ''
      await client.send(text).until(text === body + h2c ? /ok[\s\S]*ok$/ : /ok$/)
    }
  }
  assert.equal(backend.requests.length, isLast ? 3 : 5)
  for (const request of backend.requests) assert.equal(field(request, 'upgrade'), undefined)
  assert.ok(backend.requests.some((request) => bodyOf(request) === 'body'))
  client.close()
  const old = 'GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n'
  assert.match(await exchange(gateway.url, old), /^HTTP\/1\.1 200 /)
  for (const socket of backend.sockets) socket.destroy()
})

test('an upgrade that was sent behind other requests waits for their answers', async () => {
  backend.script = (socket, request) => {
    if (request.includes('upgrade: ')) {
      far = socket
      backend.release(socket)
      socket.write(SWITCH, 'latin1')
    } else {
      setTimeout(() => socket.write(OK), 50)
    }
  }
  const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
  const client = new RawClient(gateway.url).send(get + get + upgrade())
  await client.until(/101 Switching[\s\S]*\r\n\r\n/)
  assert.deepEqual(client.text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 101'])
  client.close()
  for (const socket of backend.sockets) socket.destroy()
})

test('a drain cuts tunnels at its deadline, a forced removal at once', async () => {
  const own = await openGateway([backend])
  const { id } = own.backend()
  for (const end of [
    () => own.balancer.registry.drain(id, 50),
    () => own.balancer.registry.remove(id, { force: true }),
  ]) {
    accept()
    const client = new RawClient(own.url).send(upgrade())
    await client.until('\r\n\r\n')
    end()
    await client.untilClosed()
    await own.settled()
    if (own.balancer.registry.size > 0) own.balancer.registry.activate(id)
  }
  await own.close()
})

test('SIGTERM lets tunnels go on until SHUTDOWN_TIMEOUT', async () => {
  accept()
  const process = await startGateway({ BACKENDS: backend.url, SHUTDOWN_TIMEOUT: '300' })
  const client = new RawClient(process.url).send(upgrade())
  await client.until('\r\n\r\n')
  const ended = process.stop()
  await client.untilClosed()
  assert.equal(await ended, 1)
  const line = process.lines.find(({ msg }) => msg === 'request')
  assert.deepEqual([line?.statusCode, line?.attempts], [101, 1])
})

test('in an app, hooks see upgrades, and what is not for a pool is left alone', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers['x-forbidden']) await reply.code(403).send('no')
  })
  app.get('/own', async () => 'mine')
  await app.register(leastwise, { prefix: '/api', backends: [backend.url], drainTimeout: 50 })
  await app.register(leastwise, { name: 'two', prefix: '/two', backends: [backend.url] })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  assert.match(await exchange(url, upgrade('/api/x', 'X-Forbidden: 1\r\n')), /^HTTP\/1\.1 403 [\s\S]*no$/)
  const own = new RawClient(url).send(upgrade('/own'))
  assert.match(await own.until('mine'), /^HTTP\/1\.1 200 /)
  own.close()
  accept()
  for (const path of ['/api/x', '/two/x', '/%61pi/x']) {
    const client = new RawClient(url).send(upgrade(path))
    assert.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 101 /, path)
    assert.match(backend.last, /^GET \/x /)
    client.close()
    while (app.balancer.registry.inFlight > 0) await new Promise(setImmediate)
  }
  // Somebody else's upgrades are theirs.
  app.server.on('upgrade', (request, socket) => {
    if (request.url === '/own') socket.end('HTTP/1.1 101 Mine\r\n\r\n')
  })
  assert.match(await exchange(url, upgrade('/own')), /^HTTP\/1\.1 101 Mine/)
  // A tunnel does not keep an app from closing.
  const last = new RawClient(url).send(upgrade('/api/x'))
  await last.until('\r\n\r\n')
  await Promise.all([app.close(), last.untilClosed()])
})
