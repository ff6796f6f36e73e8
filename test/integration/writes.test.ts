import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import { leastwise } from '../../src/index.js'
import { bodyOf, field, RawBackend, RawClient } from '../support/raw.js'

type Handle = Record<string, (...args: unknown[]) => unknown>

/** Counts what a server writes to its connections, each time that it passes bytes to the system. */
function countWrites(server: Server): { writes: number } {
  const count = { writes: 0 }
  server.on('connection', (socket: Socket) => {
    const handle = (socket as unknown as { _handle: Handle })._handle
    for (const name of [
      'writeLatin1String',
      'writeUtf8String',
      'writeAsciiString',
      'writeBuffer',
      'writev',
    ]) {
      const before = handle[name] as (...args: unknown[]) => unknown
      handle[name] = function (...args) {
        count.writes++
        return before.apply(this, args)
      }
    }
  })
  return count
}

async function listening(app: FastifyInstance, backend: RawBackend): Promise<string> {
  await app.register(leastwise, { prefix: '/', backends: [backend.url] })
  await app.listen({ port: 0, host: '127.0.0.1' })
  return app.listeningOrigin
}

const TYPED = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n'
const CHUNKED = 'Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\nay!\r\n0\r\n'

const whole: Record<string, { answer: string; length: string | undefined; body: string }> = {
  '/typed': { answer: `${TYPED}Content-Length: 2\r\n\r\nok`, length: '2', body: 'ok' },
  '/untyped': { answer: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', length: '2', body: 'ok' },
  '/empty': { answer: `${TYPED}Content-Length: 0\r\n\r\n`, length: '0', body: '' },
  '/chunked': { answer: `${TYPED}${CHUNKED}\r\n`, length: '5', body: 'okay!' },
  '/chunked-untyped': { answer: `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n`, length: '5', body: 'okay!' },
  '/204': { answer: 'HTTP/1.1 204 No Content\r\n\r\n', length: undefined, body: '' },
  '/304': { answer: 'HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n', length: '9', body: '' },
  '/500': { answer: 'HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno', length: '2', body: 'no' },
}

test('an answer that came whole leaves in one write, whatever its framing was', async (t) => {
  const backend = await new RawBackend((socket, request) => {
    const { answer } = whole[request.split(' ')[1] as string] as { answer: string }
    socket.write(request.startsWith('HEAD') ? answer.slice(0, answer.indexOf('\r\n\r\n') + 4) : answer)
  }).listen()
  t.after(() => backend.close())
  const app = Fastify()
  t.after(() => app.close())
  const count = countWrites(app.server)
  const url = await listening(app, backend)
  for (const [method, version] of [
    ['GET', '1.1'],
    ['GET', '1.0'],
    ['HEAD', '1.1'],
  ]) {
    for (const [path, { answer, length, body }] of Object.entries(whole)) {
      const what = `${method} ${path} HTTP/${version}`
      const client = new RawClient(url)
      count.writes = 0
      client.send(`${what}\r\nHost: a\r\nConnection: close\r\n\r\n`)
      const text = await client.untilClosed()
      assert.equal(count.writes, 1, what)
      assert.equal(text.slice(8, 13), answer.slice(8, 13), what)
      const isChunkedHead = method === 'HEAD' && answer.includes('chunked')
      assert.equal(field(text, 'content-length'), isChunkedHead ? undefined : length, what)
      assert.equal(field(text, 'transfer-encoding'), undefined, what)
      assert.equal(field(text, 'content-type') !== undefined, answer.includes('Content-Type'), what)
      assert.equal(bodyOf(text), method === 'HEAD' ? '' : body, what)
    }
  }
})

test('an answer in parts takes as many writes as parts came; the head goes with the first, the end with the last', async (t) => {
  let backendSocket: Socket | undefined
  const backend = await new RawBackend((socket) => {
    backendSocket = socket
    socket.write(`${TYPED}Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n`)
  }).listen()
  t.after(() => backend.close())
  const app = Fastify()
  t.after(() => app.close())
  const count = countWrites(app.server)
  const url = await listening(app, backend)
  const client = new RawClient(url)
  t.after(() => client.close())
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until('\r\n\r\n2\r\nok\r\n')
  assert.equal(count.writes, 1)
  backendSocket?.write('3\r\nay!\r\n0\r\nX-Sum: 5\r\n\r\n')
  await client.until('\r\n\r\n2\r\nok\r\n3\r\nay!\r\n0\r\nx-sum: 5\r\n\r\n')
  assert.equal(count.writes, 2)
})

test('an answer of which no byte of the body has come yet has its head sent at once', async (t) => {
  let backendSocket: Socket | undefined
  const backend = await new RawBackend((socket) => {
    backendSocket = socket
    socket.write(`${TYPED}Content-Length: 2\r\n\r\n`)
  }).listen()
  t.after(() => backend.close())
  const app = Fastify()
  t.after(() => app.close())
  const url = await listening(app, backend)
  const client = new RawClient(url)
  t.after(() => client.close())
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until('\r\n\r\n')
  backendSocket?.write('ok')
  await client.until('\r\n\r\nok')
})

test('code of the app that replaces `write` and `end` of the response sees every byte', async (t) => {
  const answers = [
    `${TYPED}Content-Length: 2\r\n\r\nok`,
    `${TYPED}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n`,
  ]
  const sockets: Socket[] = []
  const backend = await new RawBackend((socket) => {
    sockets.push(socket)
    socket.write(answers[sockets.length - 1] as string)
  }).listen()
  t.after(() => backend.close())
  const app = Fastify()
  t.after(() => app.close())
  let seen = ''
  app.addHook('onRequest', async (_request, { raw }) => {
    const { write, end } = raw as unknown as Record<string, (...args: unknown[]) => unknown>
    const see = (chunk: unknown) => {
      if (chunk) seen += String(chunk)
    }
    Object.assign(raw, {
      write(...args: unknown[]) {
        see(args[0])
        return write?.apply(raw, args)
      },
      end(...args: unknown[]) {
        see(args[0])
        return end?.apply(raw, args)
      },
    })
  })
  const url = await listening(app, backend)
  const client = new RawClient(url)
  t.after(() => client.close())
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until('\r\n\r\nok')
  assert.equal(seen, 'ok')
  client.text = ''
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until('\r\n\r\n2\r\nok\r\n')
  sockets[1]?.write('3\r\nay!\r\n0\r\n\r\n')
  await client.until('0\r\n\r\n')
  assert.equal(seen, 'okokay!')
})

test('a client that leaves in the middle of an answer in parts has the backend cut', async (t) => {
  const backend = await new RawBackend(`${TYPED}Content-Length: 4\r\n\r\nok`).listen()
  t.after(() => backend.close())
  const app = Fastify()
  t.after(() => app.close())
  const url = await listening(app, backend)
  const client = new RawClient(url)
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until('\r\n\r\nok')
  const [socket] = backend.sockets
  const closed = once(socket as Socket, 'close')
  client.reset()
  await closed
  assert.equal(app.balancer.registry.inFlight, 0)
})
