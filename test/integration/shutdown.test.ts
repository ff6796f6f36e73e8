import assert from 'node:assert/strict'
import { createHook } from 'node:async_hooks'
import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { type TestContext, test } from 'node:test'
import Fastify from 'fastify'
import leastwise from '../../src/index.js'
import { answering, holding, TestBackend } from '../support/backend.js'
import { call } from '../support/client.js'
import { startGateway } from '../support/process.js'
import { exchange, RawBackend, RawClient } from '../support/raw.js'

async function started(t: TestContext, backends: { url: string; close(): Promise<void> }[], env = {}) {
  for (const backend of backends) t.after(() => backend.close())
  const gateway = await startGateway({ BACKENDS: backends.map(({ url }) => url).join(), ...env })
  t.after(() => gateway.stop('SIGKILL'))
  return gateway
}

/** A client that sends one request after another on one connection, until it is told that it closes. */
async function busy(url: string, method: 'GET' | 'POST', pause: () => Promise<unknown>): Promise<number> {
  const client = new RawClient(url)
  for (let answered = 0; ; answered++) {
    client.send(`${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`)
    const text = await client.until(/\r\n\r\nok$/)
    client.text = ''
    if (/^connection: close\r$/im.test(text)) {
      client.close()
      return answered + 1
    }
    await pause()
  }
}

test('SIGTERM under load loses nothing, and every client on a kept connection is told to close', async (t) => {
  const backends = [await answering(3), await answering(3)]
  const gateway = await started(t, backends)
  const seen = () => backends.reduce((sum, { total }) => sum + total, 0)
  const turn = () => new Promise(setImmediate)
  const pause = () => new Promise((resolve) => setTimeout(resolve, 20))
  const clients = Array.from({ length: 40 }, (_, i) =>
    busy(gateway.url, i % 2 ? 'POST' : 'GET', i % 4 < 2 ? turn : pause),
  )
  while (seen() < 500) await turn()
  const code = gateway.stop()
  const answered = await Promise.all(clients)
  assert.equal(await code, 0)
  assert.equal(
    answered.reduce((sum, count) => sum + count),
    seen(),
  )
})

test('answers of every kind say that the connection closes', async (t) => {
  const held = await holding()
  const gateway = await started(t, [held])
  const first = call(gateway.url)
  await held.untilOpen(1)
  /** A connection that is open before the signal is given. */
  const connections = await Promise.all(
    ['OPTIONS', 'TRACE', 'GET'].map(async (method) => {
      const client = new RawClient(gateway.url)
      await once(client.socket, 'connect')
      return { client, method }
    }),
  )
  const code = gateway.stop()
  while ((await call(`${gateway.admin}/readyz`)).status === 200);
  for (const { client, method } of connections) {
    const target = method === 'OPTIONS' ? '*' : '/'
    const fields = method === 'OPTIONS' ? 'Max-Forwards: 0\r\n' : method === 'GET' ? 'Expect: a\r\n' : ''
    client.send(`${method} ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`)
    assert.match(await client.untilClosed(), /^connection: close\r$/im, method)
  }
  held.release()
  assert.equal((await first).headers.connection, 'close')
  assert.equal(await code, 0)
})

test('uploads and streams finish after SIGTERM', async (t) => {
  const echo = await new TestBackend((request, response) => {
    request.pipe(response.writeHead(200))
  }).listen()
  const gateway = await started(t, [echo])
  const agent = new Agent({ keepAlive: true })
  const upload = httpRequest(gateway.url, { method: 'POST', agent })
  upload.write('first ')
  const [response] = await once(upload, 'response')
  response.setEncoding('utf8')
  const code = gateway.stop()
  while ((await call(`${gateway.admin}/readyz`)).status === 200);
  upload.end('second')
  assert.equal((await response.toArray()).join(''), 'first second')
  assert.equal(await code, 0)
})

test('a second signal ends at once, whatever is in flight, queued or checked', async (t) => {
  const silent = await new RawBackend(() => {}).listen()
  const gateway = await started(t, [silent], {
    MAX_CONNECTIONS: '1',
    HEALTH_PATH: '/',
    HEALTH_TIMEOUT: '60000',
  })
  for (let i = 0; i < 3; i++) call(gateway.url).catch(() => {})
  await silent.until(({ requests }) => requests.length >= 2)
  const exit = once(gateway.child, 'exit')
  // Those that come within a second of the first count as the same.
  const again = setInterval(() => gateway.child.kill('SIGTERM'), 100)
  assert.deepEqual(await exit, [1, null])
  clearInterval(again)
})

/** The timers of ours that are set from now on, by where they were. (Node does not count those that are unref'ed.) */
function watchTimers(): { left(): string[]; stop(): void } {
  const set = new Map<number, string>()
  const hook = createHook({
    init(id, type) {
      const stack = type === 'Timeout' ? (new Error().stack ?? '') : ''
      if (/\/dist\/(src|plugins|routes)\//.test(stack)) set.set(id, stack)
    },
    destroy: (id) => void set.delete(id),
  }).enable()
  return { left: () => [...set.values()], stop: () => void hook.disable() }
}

test('no timer and no socket survives app.close()', async (t) => {
  const request = 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
  const silent = await new RawBackend(() => {}).listen()
  const sick = await new RawBackend((socket, request) => {
    const code = request.startsWith('GET /health') ? 200 : 500
    socket.write(`HTTP/1.1 ${code} x\r\nContent-Length: 0\r\n\r\n`)
  }).listen()
  const well = await answering()
  t.after(() => Promise.all([silent.close(), sick.close(), well.close()]))
  const sockets = () => process.getActiveResourcesInfo().filter((kind) => /TCPSocket|TLS/.test(kind)).length
  const before = sockets()
  const timers = watchTimers()
  t.after(() => timers.stop())
  const app = Fastify({ forceCloseConnections: true })
  await app.register(leastwise, {
    backends: [
      { url: sick.url, id: 'sick' },
      { url: well.url, id: 'well' },
    ],
    healthPath: '/health',
    healthInterval: 30,
    healthTimeout: 60_000,
    ejectConsecutive: 1,
    ejectMaxPercent: 100,
    retries: 0,
    drainTimeout: 100,
    admin: { token: 'secret' },
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const { registry } = app.balancer
  // Ejected, checked, ramping, in flight, queued, and on its way out: a backend or a request of each kind.
  while (registry.get('sick').health !== 'ejected') await exchange(url, request)
  registry.add({ url: silent.url, id: 'silent', maxConnections: 1 })
  registry.drain('well')
  const clients = [1, 2, 3].map(() => new RawClient(url).send(request))
  await silent.until(({ requests }) => requests.some((heard) => heard.startsWith('POST')))
  while (app.balancer.view().queue.length < 2) await new Promise(setImmediate)
  registry.remove('silent', { timeout: 50_000 })
  await app.close()
  for (const client of clients) await client.untilClosed()
  await silent.until((backend) => backend.sockets.size === 0)
  await sick.until((backend) => backend.sockets.size === 0)
  assert.equal(well.sockets.size, 0)
  assert.deepEqual(timers.left(), [])
  assert.ok(sockets() <= before)
})
