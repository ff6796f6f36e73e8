import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { describe, type TestContext, test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import Fastify from 'fastify'
import { request as undiciRequest } from 'undici'
import { spawn } from '../support/children.js'
import { openGateway } from '../support/gateway.js'
import { root, startGateway } from '../support/process.js'
import { RawClient } from '../support/raw.js'

const TOO_LARGE = 'HTTP/1.1 413 Payload Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large'

/** How a backend ends the connection of an upload that it answers without reading it. */
const ways: Record<string, (socket: Socket, answer: string) => void> = {
  closes: (socket, answer) => socket.write(answer, () => socket.destroy()),
  'closes 20 ms later': (socket, answer) =>
    socket.write(answer, () => void setTimeout(() => socket.destroy(), 20)),
  'ends its half': (socket, answer) => void socket.end(answer),
  resets: (socket, answer) =>
    socket.write(answer, () => {
      // With TLS Node has no way to.
      if ('encrypted' in socket) socket.destroy()
      else socket.resetAndDestroy()
    }),
}

const tls = {
  cert: readFileSync(join(root, 'test/fixtures/localhost.cert.pem')),
  key: readFileSync(join(root, 'test/fixtures/localhost.key.pem')),
}

/** A backend that answers as soon as it has heard something, and reads no more. */
async function hasty(t: TestContext, way: string, { answer = TOO_LARGE, secure = false } = {}) {
  const hear = (socket: Socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.pause()
      ways[way]?.(socket, answer)
    })
  }
  const server: Server = secure
    ? createTlsServer({ ...tls, noDelay: true }, hear)
    : createServer({ noDelay: true }, hear)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return `${secure ? 'https' : 'http'}://localhost:${(server.address() as AddressInfo).port}`
}

/** One failure would eject. */
async function before(t: TestContext, url: string) {
  const gateway = await openGateway([url], { EJECT_CONSECUTIVE: '1', EJECT_MAX_PERCENT: '100' })
  t.after(() => gateway.close())
  return gateway
}

const SIZES = [65_536, 300_000, 2_000_000, 10_000_000]

/** `size` bytes that are made as they are taken. */
function* chunks(size: number): Generator<Buffer> {
  for (let left = size; left > 0; left -= 65_536) yield Buffer.alloc(Math.min(left, 65_536), 'x')
}

type Upload = (url: string, size: number, chunked: boolean) => Promise<[status: number, text: string]>

const agent = new Agent({ keepAlive: true })

/** Clients that people have. */
const clients: Record<string, Upload> = {
  'node:http': (url, size, chunked) =>
    new Promise((resolve, reject) => {
      const headers = chunked ? {} : { 'content-length': size }
      const request = httpRequest(url, { method: 'POST', agent, headers })
      request.on('response', (response) => {
        buffer(response).then((body) => resolve([response.statusCode ?? 0, String(body)]), reject)
      })
      // That it could not send all is no news after an answer.
      request.on('error', reject)
      Readable.from(chunks(size)).pipe(request)
    }),
  undici: async (url, size, chunked) => {
    const { statusCode, body } = await undiciRequest(url, {
      method: 'POST',
      headers: chunked ? {} : { 'content-length': String(size) },
      body: Readable.from(chunks(size)),
    })
    return [statusCode, await body.text()]
  },
}

for (const secure of [false, true]) {
  for (const way of Object.keys(ways)) {
    for (const [client, upload] of Object.entries(clients).slice(0, secure ? 1 : 2)) {
      test(`a backend ${secure ? 'with TLS ' : ''}that ${way}: ${client} gets its answer`, async (t) => {
        const url = await hasty(t, way, { secure })
        // Whom to trust a process is told when it starts.
        const own = secure
          ? await startGateway({
              BACKENDS: url,
              EJECT_CONSECUTIVE: '1',
              EJECT_MAX_PERCENT: '100',
              NODE_EXTRA_CA_CERTS: join(root, 'test/fixtures/localhost.cert.pem'),
            })
          : undefined
        if (own) t.after(() => own.stop())
        const gateway = own ?? (await before(t, url))
        for (const chunked of [false, true]) {
          for (let i = 0; i < 12; i++) {
            const answer = await upload(gateway.url, SIZES[i % SIZES.length] as number, chunked)
            assert.deepEqual(answer, [413, 'too large'], `${i}`)
          }
        }
        const admin = own && (await undiciRequest(`${own.admin}/backends`))
        const views = admin
          ? ((await admin.body.json()) as { backends: object[] }).backends
          : 'balancer' in gateway && [gateway.backend().view()]
        const [{ health, failed, share, inFlight }] = views as [Record<string, unknown>]
        assert.deepEqual(
          { health, failed, share, inFlight },
          { health: 'unknown', failed: 0, share: 1, inFlight: 0 },
        )
      })
    }
  }
}

describe('uploads that are answered early', { concurrency: 2 }, () => {
  test('Fastify with its default limit, which closes after it has answered', async (t) => {
    const backend = Fastify({ forceCloseConnections: true })
    backend.post('/', async () => 'all')
    const gateway = await before(t, await backend.listen({ port: 0, host: '127.0.0.1' }))
    t.after(() => backend.close())
    for (const upload of Object.values(clients)) {
      for (let i = 0; i < 12; i++) {
        const [status, text] = await upload(gateway.url, 2_000_000, i % 2 === 0)
        // Of a type that it does not know it reads nothing.
        assert.ok(status === 413 || status === 415, text)
      }
    }
    assert.deepEqual([gateway.backend().leases.failed, gateway.backend().view().share], [0, 1])
  })

  test('any status, and a body that ends with the connection', async (t) => {
    for (const [status, answer] of [
      [200, 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large'],
      [
        303,
        'HTTP/1.1 303 See Other\r\nConnection: close\r\nContent-Length: 9\r\nLocation: /\r\n\r\ntoo large',
      ],
      [
        401,
        'HTTP/1.1 401 Who\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ntoo large\r\n0\r\n\r\n',
      ],
      [413, 'HTTP/1.1 413 No\r\nConnection: close\r\n\r\ntoo large'],
    ] as const) {
      for (const way of Object.keys(ways)) {
        const gateway = await before(t, await hasty(t, way, { answer }))
        for (const size of SIZES) {
          const got = await (clients['node:http'] as Upload)(gateway.url, size, false).catch(String)
          assert.deepEqual(got, [status, 'too large'], `${status} ${way} ${size}`)
        }
        assert.equal(gateway.backend().leases.failed, 0)
      }
    }
  })

  test('a large response to an upload comes whole, though the client reads slowly', async (t) => {
    // What the backend's own kernel has yet to send is lost with the connection.
    const size = 50_000
    const answer = `HTTP/1.1 413 No\r\nContent-Length: ${size}\r\n\r\n${'y'.repeat(size)}`
    const gateway = await before(t, await hasty(t, 'closes 20 ms later', { answer }))
    const client = new RawClient(gateway.url)
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n${'x'.repeat(1_000_000)}`)
    client.socket.pause()
    await new Promise((resolve) => setTimeout(resolve, 300))
    client.socket.resume()
    assert.equal((await client.untilClosed()).match(/y/g)?.length, size)
  })

  test('a client that waits for 100 (Continue) gets the response instead', async (t) => {
    for (const way of Object.keys(ways)) {
      const gateway = await before(t, await hasty(t, way))
      const client = new RawClient(gateway.url).send(
        'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n',
      )
      const text = await client.until(/too large$/)
      assert.match(text, /^HTTP\/1\.1 413 [\s\S]*connection: close/i)
      client.close()
      await gateway.settled()
      assert.equal(gateway.backend().leases.failed, 0)
    }
  })

  test('a client that looks for a response only when it has sent it all is not reset before', async (t) => {
    const gateway = await before(t, await hasty(t, 'closes'))
    const client = new RawClient(gateway.url)
    const errors: Error[] = []
    client.socket.on('error', (error) => errors.push(error))
    // It takes longer than a client may be silent.
    const parts = 60
    client.send(
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${200_000 + parts}\r\n\r\n${'x'.repeat(200_000)}`,
    )
    for (let i = 0; i < parts; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      client.send('x')
    }
    assert.match(await client.untilClosed(), /^HTTP\/1\.1 413 [\s\S]*too large$/)
    if (!client.socket.closed) await once(client.socket, 'close')
    assert.deepEqual(errors, [])
  })

  test('curl gets the response', async (t) => {
    const gateway = await before(t, await hasty(t, 'resets'))
    for (const more of [[], ['-H', 'Expect:'], ['-H', 'Transfer-Encoding: chunked']]) {
      const curl = spawn('curl', ['-sS', '-w', ' %{http_code}', ...more, '--data-binary', '@-', gateway.url])
      const missing = await Promise.race([once(curl, 'error'), once(curl, 'spawn').then(() => undefined)])
      if (missing) return t.skip('there is no curl')
      curl.stdin.on('error', () => {})
      curl.stdin.end(Buffer.alloc(3_000_000, 'x'))
      assert.equal(String(await buffer(curl.stdout)), 'too large 413')
    }
  })

  test('an upload that is reset without a response is a failure of the backend, as any', async (t) => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.resetAndDestroy())
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const gateway = await before(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const [status] = await (clients['node:http'] as Upload)(gateway.url, 1000, false)
    assert.equal(status, 502)
    const { health, failed } = gateway.backend().view()
    assert.deepEqual({ health, failed }, { health: 'ejected', failed: 1 })
  })

  test('a backend that resets the connection in the middle of an early response is not blamed', async (t) => {
    const server = createServer({ noDelay: true }, (socket) => {
      socket.on('error', () => {})
      socket.once('data', () => {
        socket.pause()
        // What its system would not send any more is lost.
        socket.write(TOO_LARGE.slice(0, -4), () => void setTimeout(() => socket.resetAndDestroy(), 20))
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    const gateway = await before(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    for (let i = 0; i < 3; i++) {
      const client = new RawClient(gateway.url).send(
        'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n',
      )
      client.socket.write(Buffer.alloc(10_000_000, 'x'))
      await client.untilClosed().catch(() => {})
      assert.match(client.text, /^HTTP\/1\.1 413 [\s\S]*too l$/)
      await gateway.settled()
    }
    const { health, failed, share } = gateway.backend().view()
    assert.deepEqual({ health, failed, share }, { health: 'unknown', failed: 0, share: 1 })
  })
})
