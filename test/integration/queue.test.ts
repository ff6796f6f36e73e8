import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { deadUrl, holding, TestBackend } from '../support/backend.js'
import { call, callJson, load } from '../support/client.js'
import { type GatewayProcess, startGateway } from '../support/process.js'
import { seeded } from '../support/random.js'
import { RawBackend, RawClient } from '../support/raw.js'
import { until } from '../support/until.js'

async function started(
  t: TestContext,
  backends: { url: string; close?(): Promise<void> }[],
  env: Record<string, string>,
) {
  for (const backend of backends) t.after(() => backend.close?.())
  const named = backends.map(({ url }, i) => `${url};id=b${i}`).join()
  // However slow the machine is, nobody is sent away who is to wait.
  const gateway = await startGateway({ BACKENDS: named, QUEUE_TIMEOUT: '100000', ...env })
  t.after(() => gateway.stop('SIGKILL'))
  return gateway
}

const pool = async (gateway: GatewayProcess) => (await callJson('GET', `${gateway.admin}/pool`)).json

/** Resolves once so many wait; as they have to go on doing. */
async function untilWaiting(gateway: GatewayProcess, count: number): Promise<void> {
  await until(
    () => pool(gateway),
    ({ queue }) => queue.length === count,
  )
}

async function untilIdle(gateway: GatewayProcess): Promise<void> {
  await until(
    () => pool(gateway),
    ({ inFlight, queue }) => inFlight === 0 && queue.length === 0,
  )
}

test('requests wait their turn, first come, first served', async (t) => {
  const held = await holding()
  const gateway = await started(t, [held], { MAX_CONNECTIONS: '1' })
  const clients: RawClient[] = []
  for (let i = 0; i < 5; i++) {
    clients.push(new RawClient(gateway.url).send(`GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`))
    if (i === 0) await held.untilOpen(1)
    else await untilWaiting(gateway, i)
  }
  for (const [i, client] of clients.entries()) {
    held.release()
    await client.until('held')
    if (i < 4) await held.untilOpen(1)
  }
  assert.deepEqual(
    held.seen.map(({ url }) => url),
    ['/0', '/1', '/2', '/3', '/4'],
  )
  for (const client of clients) client.close()
})

/** Of the requests that were answered with 503: the backend, and how many were asked. */
const shed = ({ lines }: GatewayProcess) =>
  lines
    .filter(({ msg, statusCode }) => msg === 'request' && statusCode === 503)
    .map(({ backend, attempts }) => [backend, attempts])

test('past the limit of the queue: 503, and when to come again', async (t) => {
  const held = await holding()
  const gateway = await started(t, [held], { MAX_CONNECTIONS: '1', QUEUE_LIMIT: '2' })
  const first = call(gateway.url)
  await held.untilOpen(1)
  const waiting = [call(gateway.url), call(gateway.url)]
  await untilWaiting(gateway, 2)
  const full = await call(gateway.url, { method: 'POST', body: 'x'.repeat(100_000) })
  assert.deepEqual([full.status, JSON.parse(full.text).code], [503, 'LEASTWISE_QUEUE_FULL'])
  assert.match(String(full.headers['retry-after']), /^[1-9]\d*$/)
  held.server.on('arrived', () => setImmediate(() => held.release()))
  held.release()
  for (const { status } of await Promise.all([first, ...waiting])) assert.equal(status, 200)
  assert.equal(held.total, 3)
  await gateway.line(({ statusCode }) => statusCode === 503)
  assert.deepEqual(shed(gateway), [[null, 0]])
})

test('past the time of the queue: 503, and when to come again', async (t) => {
  const held = await holding()
  const gateway = await started(t, [held], { MAX_CONNECTIONS: '1', QUEUE_TIMEOUT: '300' })
  const first = call(gateway.url)
  await held.untilOpen(1)
  for (const { status, text, headers } of await Promise.all([call(gateway.url), call(gateway.url)])) {
    assert.deepEqual([status, JSON.parse(text).code], [503, 'LEASTWISE_QUEUE_TIMEOUT'])
    assert.match(String(headers['retry-after']), /^[1-9]\d*$/)
  }
  assert.equal(held.total, 1)
  held.release()
  assert.equal((await first).status, 200)
  const [{ id, health, failed } = {} as never] = (await callJson('GET', `${gateway.admin}/backends`)).json
    .backends
  assert.deepEqual([id, health, failed], ['b0', 'unknown', 0], 'what we shed is not its fault')
  // The last line of all.
  await gateway.line(({ msg, statusCode }) => msg === 'request' && statusCode === 200)
  assert.deepEqual(shed(gateway), [
    [null, 0],
    [null, 0],
  ])
})

test('a client that leaves leaves the queue, and its slot goes to the next', async (t) => {
  const held = await holding()
  const gateway = await started(t, [held], { MAX_CONNECTIONS: '1' })
  const first = call(gateway.url)
  await held.untilOpen(1)
  const leaving = [
    'GET /left HTTP/1.1\r\nHost: a\r\n\r\n',
    'POST /left HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf',
    'GET /left HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  ].map((text) => new RawClient(gateway.url).send(text))
  await untilWaiting(gateway, 3)
  const last = call(`${gateway.url}/last`)
  await untilWaiting(gateway, 4)
  for (const client of leaving) client.reset()
  await untilWaiting(gateway, 1)
  held.release()
  await first
  await held.untilOpen(1)
  held.release()
  assert.equal((await last).status, 200)
  assert.deepEqual(
    held.seen.map(({ url }) => url),
    ['/', '/last'],
  )
  await untilIdle(gateway)
})

test('an upload that waits arrives whole', async (t) => {
  const bytes: number[] = []
  const echo = await new TestBackend((request, response) => {
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
    })
    request.on('end', () => {
      bytes.push(length)
      response.end(String(length))
    })
  }).listen()
  const gateway = await started(t, [echo], { MAX_CONNECTIONS: '1' })
  const uploads = Array.from({ length: 10 }, (_, i) =>
    call(gateway.url, { method: i % 2 ? 'PUT' : 'POST', body: Buffer.alloc(300_000 + i, 'x') }),
  )
  const lengths = (await Promise.all(uploads)).map(({ text }) => Number(text))
  assert.deepEqual(
    lengths,
    Array.from({ length: 10 }, (_, i) => 300_000 + i),
  )
  assert.equal(bytes.length, 10)
})

test('one whose backend failed waits for another that is full, and is not answered with the failure', async (t) => {
  const held = await holding()
  t.after(() => held.close())
  const gateway = await started(t, [held, { url: deadUrl() }], {
    MAX_CONNECTIONS: '1',
    EJECT_MAX_PERCENT: '0',
    FAILURE_DECAY: '0',
  })
  const first = call(gateway.url)
  await held.untilOpen(1)
  const second = call(`${gateway.url}/second`, { method: 'POST' })
  await untilWaiting(gateway, 1)
  held.release()
  assert.equal((await first).status, 200)
  await held.untilOpen(1)
  held.release()
  assert.equal((await second).status, 200)
  const line = await gateway.line(({ path }) => path === '/second')
  assert.deepEqual([line.backend, line.attempts], ['b0', 2])
})

/** A backend that knows how many requests it may be given, and keeps the largest excess. */
async function limited(t: TestContext, random: () => number) {
  const state = { limit: 4, allowed: 4, excess: 0 }
  const backend = await new TestBackend((request, response) => {
    state.excess = Math.max(state.excess, backend.open - state.allowed)
    request.resume()
    setTimeout(() => response.end('ok'), random() * 10)
  }).listen()
  t.after(() => backend.close())
  // Of a limit that was lowered nothing follows before enough requests have ended.
  backend.server.on('settled', () => {
    if (backend.open <= state.limit) state.allowed = state.limit
  })
  backend.server.on('upgrade', (_request, socket) => {
    backend.open++
    socket.on('error', () => {})
    socket.once('close', () => {
      backend.open--
      backend.server.emit('settled')
    })
    socket.write('HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n')
    socket.pipe(socket)
  })
  return Object.assign(backend, { state })
}

test('the limit holds exactly while it changes, as the backends count themselves', async (t) => {
  const random = seeded(8)
  const backends = [await limited(t, random), await limited(t, random)]
  const gateway = await started(t, backends, { MAX_CONNECTIONS: '4' })
  const stop = new AbortController()
  const under = load(gateway.url, { concurrency: 20, stop: stop.signal })
  for (let i = 0; i < 100; i++) {
    const { state } = backends[i % 2] as (typeof backends)[number]
    const limit = 1 + Math.floor(random() * 6)
    // Either may hold until the answer is here.
    state.limit = Math.max(state.limit, limit)
    state.allowed = Math.max(state.allowed, limit)
    await callJson('PATCH', `${gateway.admin}/backends/b${i % 2}`, { maxConnections: limit })
    // What was sent under the old limit may be on its way, on a connection that is being made.
    await pool(gateway)
    await pool(gateway)
    state.limit = limit
  }
  stop.abort()
  assert.deepEqual([...(await under).keys()], [200])
  assert.deepEqual(
    backends.map(({ state }) => state.excess),
    [0, 0],
  )
  await untilIdle(gateway)
})

test('no slot is lost to clients that leave at any moment, nor to tunnels', async (t) => {
  const random = seeded(9)
  const backends = [await limited(t, random), await limited(t, random)]
  const gateway = await started(t, backends, { MAX_CONNECTIONS: '2' })
  const leaving = async () => {
    for (let i = 0; i < 100; i++) {
      const upgrade = random() < 0.4 ? 'Connection: upgrade\r\nUpgrade: echo\r\n' : ''
      const client = new RawClient(gateway.url).send(`GET / HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`)
      if (random() < 0.5) await client.until('HTTP/1.1')
      client.reset()
    }
  }
  const [statuses] = await Promise.all([
    load(gateway.url, { total: 300, concurrency: 10 }),
    leaving(),
    leaving(),
    leaving(),
  ])
  assert.deepEqual([...statuses], [[200, 300]])
  await untilIdle(gateway)
  for (const backend of backends) await backend.untilOpen(0)
  // All four slots are there.
  const again = await load(gateway.url, { total: 40, concurrency: 4 })
  assert.deepEqual([...again], [[200, 40]])
})

test('nothing below has a queue of its own: as many connections as leases, and each at work', async (t) => {
  const raw = await new RawBackend(() => {}).listen()
  const gateway = await started(t, [raw], { MAX_CONNECTIONS: '7' })
  const clients = Array.from({ length: 30 }, (_, i) =>
    new RawClient(gateway.url).send(
      i % 2
        ? 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
        : 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi',
    ),
  )
  await untilWaiting(gateway, 23)
  await raw.until(({ requests }) => requests.length === 7)
  assert.deepEqual([raw.connections, (await pool(gateway)).inFlight], [7, 7])
  for (const socket of raw.sockets) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  await raw.until(({ requests }) => requests.length === 14)
  assert.ok(raw.sockets.size <= 14, 'a connection that was freed is used again where it can be')
  for (const client of clients) client.reset()
  await untilIdle(gateway)
})

test('SIGTERM: who waits is served, too', async (t) => {
  const held = await holding()
  const gateway = await started(t, [held], { MAX_CONNECTIONS: '1' })
  const requests = Array.from({ length: 10 }, () => call(gateway.url))
  await held.untilOpen(1)
  await untilWaiting(gateway, 9)
  const code = gateway.stop()
  await gateway.line(({ msg }) => msg === 'shutting down')
  held.server.on('arrived', () => setImmediate(() => held.release()))
  held.release()
  for (const { status } of await Promise.all(requests)) assert.equal(status, 200)
  assert.equal(await code, 0)
})
