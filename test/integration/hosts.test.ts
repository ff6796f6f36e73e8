import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http2 from 'node:http2'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import leastwise, { type LeastwiseOptions } from '../../src/index.js'
import { root } from '../support/process.js'
import { RawBackend, RawClient, type Script } from '../support/raw.js'

const cert = readFileSync(join(root, 'test/fixtures/localhost.cert.pem'))
const key = readFileSync(join(root, 'test/fixtures/localhost.key.pem'))
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const SWITCH = 'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n'
const upgrade = (protocol: string) =>
  `GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: ${protocol}\r\n\r\n`

/** An app of a user, of whatever kind, with one backend. */
async function host(
  t: TestContext,
  script: Script,
  options: object = {},
  prepare: (app: FastifyInstance) => void = () => {},
  pool: LeastwiseOptions = {},
): Promise<{ app: FastifyInstance; url: string; backend: RawBackend }> {
  const backend = await new RawBackend(script).listen()
  const app = Fastify(options as FastifyServerOptions) as unknown as FastifyInstance
  prepare(app)
  await app.register(leastwise, { backends: [backend.url], drainTimeout: 0, ...pool })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  t.after(async () => {
    await app.close()
    await backend.close()
  })
  return { app, url, backend }
}

function secure(url: string): TLSSocket {
  const socket = connect({
    port: Number(new URL(url).port),
    host: '127.0.0.1',
    ca: cert,
    servername: 'localhost',
  })
  return socket.on('error', () => {}).setEncoding('latin1')
}

/** Reads until `pattern` came or the connection closed. */
async function until(socket: TLSSocket, pattern: RegExp): Promise<string> {
  let text = ''
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += chunk
    if (pattern.test(text)) break
  }
  return text
}

const idle = async (app: FastifyInstance) => {
  while (app.balancer.registry.inFlight > 0) await new Promise(setImmediate)
}

for (const [kind, options] of [
  ['https', { https: { cert, key } }],
  ['https with HTTP/2', { http2: true, https: { cert, key, allowHTTP1: true } }],
] as const) {
  test(`${kind}: tunnels, and upgrades that are not granted`, async (t) => {
    const { url, app } = await host(
      t,
      (socket, request, backend) => {
        if (!request.includes('upgrade: echo')) return void socket.write(OK)
        backend.release(socket)
        socket.write(`${SWITCH}hello`)
        socket.once('data', () => socket.resetAndDestroy())
      },
      options,
    )
    const tunnel = secure(url)
    tunnel.write(upgrade('echo'))
    assert.match(await until(tunnel, /hello/), /^HTTP\/1\.1 101 /)
    // The backend resets; that cannot be passed on as it is.
    tunnel.write('go')
    await once(tunnel, 'close')
    await idle(app)
    const plain = secure(url)
    plain.write(upgrade('h2c'))
    assert.match(await until(plain, /ok$/), /^HTTP\/1\.1 200 /)
    plain.write(
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\nhi',
    )
    assert.match(await until(plain, /ok$/), /^HTTP\/1\.1 200 /)
    plain.destroy()
    await idle(app)
  })
}

test('https: an answer that breaks, to HTTP/1.0', async (t) => {
  let end = () => {}
  const { url, app } = await host(
    t,
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n')
      end = () => socket.end()
    },
    { https: { cert, key } },
  )
  const client = secure(url)
  client.write('GET / HTTP/1.0\r\n\r\n')
  await until(client, /half/)
  end()
  await once(client, 'close')
  await idle(app)
})

test('HTTP/2: fields that come twice, early hints and trailers', async (t) => {
  const twice =
    'ETag: "a"\r\nETag: "b"\r\nAge: 1\r\nAge: 2\r\nHTTP2-Settings: x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n'
  const { url, app } = await host(
    t,
    `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n${twice}\r\nHTTP/1.1 200 OK\r\n${twice}` +
      'Transfer-Encoding: chunked\r\nTrailer: x-t\r\n\r\n2\r\nok\r\n0\r\nX-T: end\r\n\r\n',
    { http2: true },
  )
  const session = http2.connect(url)
  for (const method of ['GET', 'POST'] as const) {
    const stream = session.request({ ':path': '/', ':method': method })
    const hints = once(stream, 'headers')
    const trailers = once(stream, 'trailers')
    stream.end()
    const [head] = await once(stream, 'response')
    assert.deepEqual([head[':status'], head.etag, head['set-cookie']], [200, '"a", "b"', ['a=1', 'b=2']])
    assert.equal((await hints)[0][':status'], 103)
    stream.resume()
    assert.equal((await trailers)[0]['x-t'], 'end')
  }
  session.destroy()
  await idle(app)
})

test('requests that a hook of the app holds up differently are answered in the order in which they came', async (t) => {
  const { url, app, backend } = await host(t, OK, {}, (one) => {
    one.addHook('onRequest', async (request) => {
      if (request.url === '/slow') await new Promise((resolve) => setTimeout(resolve, 50))
    })
  })
  for (const [first, second] of [
    ['POST', 'POST'],
    ['GET', 'POST'],
    ['POST', 'GET'],
    ['GET', 'GET'],
  ]) {
    backend.requests.length = 0
    const text = (method: string, path: string) =>
      `${method} ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`
    const client = new RawClient(url).send(text(first as string, '/slow') + text(second as string, '/fast'))
    await client.until(/ok[\s\S]*ok$/)
    client.close()
    if (first === 'POST' || second === 'POST') assert.match(backend.requests[0] as string, /^\w+ \/slow /)
  }
  await idle(app)
})

test('an answer that breaks before it is its turn cuts the connection when it is', async (t) => {
  let slow: Socket | undefined
  for (const framing of [
    'Content-Length: 9\r\n\r\npart',
    'Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n',
  ]) {
    const { url, app } = await host(t, (socket, request) => {
      if (request.startsWith('GET /slow')) slow = socket
      else socket.write(`HTTP/1.1 200 OK\r\n${framing}`, () => socket.destroy())
    })
    const client = new RawClient(url).send(
      'GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /part HTTP/1.1\r\nHost: a\r\n\r\n',
    )
    while (app.balancer.registry.list()[0]?.leases.failed !== 1) await new Promise(setImmediate)
    slow?.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow')
    const text = await client.untilClosed()
    assert.match(text, /^HTTP\/1\.1 200 [\s\S]*slow/)
    assert.doesNotMatch(text, /0\r\n\r\n$/)
    await idle(app)
  }
})

test('HTTP/2: a client that leaves while a hook takes its time gets no backend', async (t) => {
  let release = () => {}
  const { url, app } = await host(
    t,
    () => {},
    { http2: true },
    (one) => {
      one.addHook('onRequest', async (request) => {
        if (request.url === '/held') await new Promise<void>((resolve) => (release = resolve))
      })
    },
  )
  const session = http2.connect(url)
  const stream = session.request({ ':path': '/held' }).on('error', () => {})
  while (String(release) === '() => {}') await new Promise(setImmediate)
  const closed = once(stream, 'close')
  stream.close(http2.constants.NGHTTP2_CANCEL)
  await closed
  await new Promise((resolve) => session.ping(resolve))
  release()
  await new Promise(setImmediate)
  assert.equal(app.balancer.registry.list()[0]?.leases.total, 0)
  session.destroy()
})

test('HTTP/2: clients that stall are cut after bodyTimeout', async (t) => {
  const size = 32 * 1024 * 1024
  const { url, app } = await host(
    t,
    (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
      socket.write(Buffer.alloc(size))
    },
    { http2: true },
    undefined,
    { bodyTimeout: 200 },
  )
  const session = http2.connect(url)
  const deaf = session.request({ ':path': '/' }).on('error', () => {})
  await once(deaf, 'response')
  await idle(app)
  const half = session.request({ ':path': '/', ':method': 'POST' }).on('error', () => {})
  half.write('half')
  const [head] = await once(half, 'response')
  assert.equal(head[':status'], 408)
  await idle(app)
  session.destroy()
})

test('a hook of the app may read the body of an answer', async (t) => {
  let finish = () => {}
  const { url } = await host(
    t,
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nX-Own: 1\r\nContent-Length: 5\r\n\r\n')
      finish = () => socket.write('hello')
    },
    {},
    (app) => {
      app.addHook('onSend', async (_request, _reply, payload) => {
        const chunks: Buffer[] = []
        setTimeout(finish, 30)
        for await (const chunk of payload as AsyncIterable<Buffer>) chunks.push(chunk)
        return Buffer.concat(chunks).toString().toUpperCase()
      })
    },
  )
  const client = new RawClient(url).send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  assert.match(await client.until(/HELLO$/), /^HTTP\/1\.1 200 OK[\s\S]*x-own: 1\r\n/)
  client.close()
})

test('an app that closes cuts what is left after drainTimeout, and tries nothing again', async (t) => {
  const other = await new RawBackend(() => {}).listen()
  t.after(() => other.close())
  const { url, app, backend } = await host(t, () => {}, {}, undefined, {
    drainTimeout: 100,
    responseTimeout: 0,
  })
  app.balancer.registry.add({ url: other.url })
  const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
  const clients = [get, get, `${get}POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`].map((text) =>
    new RawClient(url).send(text),
  )
  const injected = app.inject('/')
  while (backend.requests.length + other.requests.length < 4) await new Promise(setImmediate)
  await Promise.all([app.close(), ...clients.map((client) => client.untilClosed())])
  assert.equal((await injected).statusCode, 503)
  assert.equal(backend.requests.length + other.requests.length, 4)
  assert.equal(app.balancer.registry.inFlight, 0)
})

test('what a backend said of an answer is not said of another', async (t) => {
  const { url } = await host(
    t,
    (socket) => socket.write('HTTP/1.1 200 Splendid\r\nContent-Length: 9\r\n\r\n', () => socket.destroy()),
    {},
    (app) => {
      app.addHook('onSend', async (_request, _reply, payload) => {
        await new Promise((resolve) => setTimeout(resolve, 30))
        return payload
      })
    },
  )
  const client = new RawClient(url).send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  assert.match(await client.untilClosed(), /^HTTP\/1\.1 502 Bad Gateway\r\n/)
})
