import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import { adminRoutes } from '../../../routes/admin.js'
import { Feed } from '../../../src/admin/event-feed/feed.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import leastwise from '../../../src/index.js'
import { call, callJson } from '../../support/client.js'
import { TestClock } from '../../support/clock.js'
import { type Event, EventReader } from '../../support/events.js'
import { startGateway } from '../../support/process.js'

async function admin(t: TestContext, count = 2) {
  const clock = new TestClock()
  const backends = Array.from({ length: count }, (_, i) => ({ url: `http://b${i}:1`, id: `b${i}` }))
  const balancer = new Balancer({ backends, clock })
  const app = Fastify()
  t.after(() => app.close())
  await app.register(adminRoutes, { pools: new Map([['default', balancer]]), token: undefined })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const open = async (headers?: Record<string, string>) => {
    const reader = await EventReader.open(`${url}/events`, headers)
    t.after(() => reader.close())
    return reader
  }
  return { app, url, balancer, clock, open }
}

/** Resolves once `condition` holds. */
async function until(condition: () => boolean) {
  while (!condition()) await new Promise(setImmediate)
}

test('a snapshot on connect and each second, and nothing is done where nobody reads', async (t) => {
  const { balancer, clock, open } = await admin(t)
  assert.equal(clock.pending, 0)
  const reader = await open()
  const { headers } = reader.response
  assert.equal(headers['content-type'], 'text/event-stream; charset=utf-8')
  assert.equal(headers['cache-control'], 'no-store')
  const first = await reader.next()
  assert.equal(first.type, 'snapshot')
  assert.deepEqual(first.data, {
    at: clock.date().toISOString(),
    pool: JSON.parse(JSON.stringify(balancer.view())),
    backends: balancer.registry.list().map((backend) => backend.view()),
  })
  balancer.acquire()
  clock.pass(1000)
  assert.equal((await reader.next()).data.pool.inFlight, 1)
  const second = await open()
  await second.next()
  assert.equal(clock.pending, 1, 'one timer for all')
  reader.close()
  second.close()
  await until(() => clock.pending === 0)
})

test('readers share what is made for them', async (t) => {
  const { balancer, clock, open } = await admin(t)
  const readers = await Promise.all([open(), open(), open()])
  for (const reader of readers) await reader.next()
  let views = 0
  const { view } = balancer
  balancer.view = () => {
    views++
    return view.call(balancer)
  }
  clock.pass(1000)
  for (const reader of readers) await reader.next('snapshot')
  assert.equal(views, 1)
})

test('every change is told at once, with what it is', async (t) => {
  const { balancer, open } = await admin(t)
  const reader = await open()
  await reader.next('snapshot')
  const { registry } = balancer
  const expected: [string, string | null, object?][] = []
  const told: Event[] = []
  const does = async (act: () => void, ...changes: [type: string, id: string | null, more?: object][]) => {
    act()
    expected.push(...changes)
    for (const _ of changes) told.push(await reader.next())
  }
  await does(() => registry.add({ url: 'http://c:1', id: 'c' }), ['added', 'c'])
  await does(() => registry.update('c', { weight: 2 }), ['updated', 'c'])
  await does(() => registry.drain('c'), ['draining', 'c'], ['drained', 'c'])
  await does(() => registry.activate('c'), ['activated', 'c'])
  await does(() => registry.setHealth('c', 'unhealthy'), ['health', 'c'])
  await does(() => registry.setHealth('c', 'healthy'), ['health', 'c'])
  await does(() => registry.emit('panic', true), ['panic', null, { panic: true }])
  await does(() => {
    balancer.policy = 'round-robin'
  }, ['policy', null, { policy: 'round-robin' }])
  const lease = balancer.acquire(new Set(registry.list().filter(({ id }) => id !== 'b1')))
  await does(() => registry.remove('b1', { force: true }), ['cut', 'b1', { requests: 1 }], ['removed', 'b1'])
  lease.release('cancelled')
  for (const [i, { id, type, data }] of told.entries()) {
    const { at, type: kind, backend, ...more } = data
    assert.equal(type, 'change')
    assert.deepEqual([kind, backend?.id ?? null, more], [...(expected[i] as object[]), {}].slice(0, 3))
    assert.match(at, /^2023-11-14T/)
    if (i > 0) assert.equal(id, (told[i - 1]?.id as number) + 1)
  }
  assert.equal(told[1]?.data.backend.weight, 2)
})

test('who asks for the past gets it before the snapshot: all that is kept, or what came after an id', async (t) => {
  const { balancer, open } = await admin(t)
  for (let i = 0; i < 120; i++) balancer.registry.update('b0', { weight: (i % 9) + 1 })
  const plain = await open()
  assert.equal((await plain.next()).type, 'snapshot')
  const all = await open({ 'last-event-id': '0' })
  const past: Event[] = []
  for (let event = await all.next(); event.type === 'change'; event = await all.next()) past.push(event)
  assert.equal(past.length, 100)
  const rest = await open({ 'last-event-id': String(past.at(-3)?.id) })
  assert.deepEqual([(await rest.next()).id, (await rest.next()).id], [past.at(-2)?.id, past.at(-1)?.id])
  assert.equal((await rest.next()).type, 'snapshot')
  const odd = await open({ 'last-event-id': 'x' })
  assert.equal((await odd.next()).type, 'snapshot')
})

/** A client that asks for the events and never reads; resolves to the server's end of its connection. */
async function deafReader(t: TestContext, app: FastifyInstance, url: string): Promise<Socket> {
  const accepted = once(app.server, 'connection')
  const deaf = connect(Number(new URL(url).port), '127.0.0.1').pause()
  t.after(() => deaf.destroy())
  deaf.on('error', () => {})
  deaf.write(`GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  return (await accepted)[0]
}

test('a reader that does not read, of 1,000 backends, is dropped; one that does is not', async (t) => {
  const { app, url, balancer, clock, open } = await admin(t, 1000)
  const reader = await open()
  await reader.next('snapshot')
  const socket = await deafReader(t, app, url)
  let most = 0
  for (let snapshots = 0; !socket.destroyed; snapshots++) {
    clock.pass(1000)
    assert.equal((await reader.next('snapshot')).data.backends.length, 1000)
    most = Math.max(most, socket.writableLength)
    assert.ok(snapshots < 200, 'it is never dropped')
  }
  assert.ok(most > 0 && most < 4 * 1024 * 1024, `${most} bytes wait for it`)
  balancer.registry.update('b0', { weight: 2 })
  assert.equal((await reader.next('change')).data.type, 'updated')
})

test('an app that closes does not wait for a reader that does not read', async (t) => {
  const { app, url, clock } = await admin(t, 1000)
  const socket = await deafReader(t, app, url)
  while (socket.writableLength === 0) {
    assert.equal(socket.destroyed, false)
    clock.pass(1000)
    await new Promise(setImmediate)
  }
  await app.close()
  assert.equal(socket.destroyed, true)
})

test('changes that are not read are kept up to a bound', async () => {
  const balancer = new Balancer({ backends: [{ url: 'http://a:1', id: 'a' }], clock: new TestClock() })
  const feed = new Feed(balancer)
  const stream = feed.open(undefined)
  let changes = 0
  while (!stream.destroyed) {
    balancer.registry.update('a', { weight: 2 })
    assert.ok(++changes < 10_000)
  }
  assert.ok(changes > 1000, `${changes}`)
  await until(() => feed.readers === 0)
  feed.close()
})

test('HEAD is answered; readers beyond a hundred are refused until one leaves', async (t) => {
  const { url, open } = await admin(t)
  const head = await call(`${url}/events`, { method: 'HEAD' })
  assert.deepEqual(
    [head.status, head.headers['content-type'], head.text],
    [200, 'text/event-stream; charset=utf-8', ''],
  )
  const readers = await Promise.all(Array.from({ length: Feed.MAX_READERS }, () => open()))
  const refused = await callJson('GET', `${url}/events`)
  assert.deepEqual([refused.status, refused.json.code], [503, 'LEASTWISE_TOO_MANY_READERS'])
  readers[0]?.close()
  for (;;) {
    const next = await open()
    if (next.response.statusCode === 200) break
  }
})

test('an app that closes ends the streams, and waits for no reader', async () => {
  const app = Fastify()
  await app.register(leastwise, { backends: ['http://a:1'], admin: { token: 'secret' } })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  assert.equal((await call(`${url}/admin/events`)).status, 401)
  const reader = await EventReader.open(`${url}/admin/events`, { authorization: 'Bearer secret' })
  await reader.next('snapshot')
  await app.close()
  assert.equal(await reader.end(), true)
})

test('a gateway that shuts down waits for no reader, and complains of none', async (t) => {
  const gateway = await startGateway({ BACKENDS: 'http://127.0.0.1:9', SHUTDOWN_TIMEOUT: '60000' })
  t.after(() => gateway.stop('SIGKILL'))
  const reader = await EventReader.open(`${gateway.admin}/events`)
  await reader.next('snapshot')
  assert.equal(await gateway.stop(), 0)
  await reader.end()
  assert.deepEqual(
    gateway.lines.filter(({ level }) => Number(level) > 30),
    [],
  )
})

/** How often the loop turns until something is there. */
async function turnsUntil(there: Promise<unknown>): Promise<number> {
  let turns = 0
  let over = false
  const end = () => {
    over = true
  }
  there.then(end, end)
  while (!over) {
    await new Promise(setImmediate)
    turns++
  }
  return turns
}

test('a snapshot of a large pool is made in many turns of the loop, and changes come after it', async (t) => {
  const { balancer, clock, open } = await admin(t, 2500)
  const reader = await open()
  const first = await reader.next()
  assert.deepEqual(
    [first.type, first.data.backends.length, first.data.pool.backends],
    ['snapshot', 2500, 2500],
  )
  assert.deepEqual(Object.keys(first.data), ['at', 'pool', 'backends'])
  clock.pass(1000)
  // The first of them are written, the last are not.
  await new Promise(setImmediate)
  balancer.registry.drain('b1')
  balancer.registry.drain('b2400')
  const second = await reader.next()
  assert.equal(second.type, 'snapshot')
  assert.equal(second.data.backends[1].state, 'active')
  assert.equal(second.data.backends[2400].state, 'draining')
  const told = [await reader.next(), await reader.next(), await reader.next(), await reader.next()]
  assert.deepEqual(
    told.map(({ type, data }) => [type, data.type, data.backend.id]),
    [
      ['change', 'draining', 'b1'],
      ['change', 'drained', 'b1'],
      ['change', 'draining', 'b2400'],
      ['change', 'drained', 'b2400'],
    ],
  )
  // Who comes now sees what has changed.
  const other = await open()
  assert.equal((await other.next()).data.backends[1].state, 'draining')
  const third = reader.next()
  clock.pass(1000)
  assert.ok((await turnsUntil(third)) >= 24)
})

test('a reader that leaves while its snapshot is made is left out, and the others get theirs', async (t) => {
  const { clock, open, balancer } = await admin(t, 1000)
  const [leaving, staying] = [await open(), await open()]
  await Promise.all([leaving.next(), staying.next()])
  clock.pass(1000)
  leaving.close()
  assert.equal((await staying.next()).data.backends.length, 1000)
  staying.close()
  await until(() => clock.pending === 0)
  assert.equal(balancer.registry.size, 1000)
})

test('GET /backends of a large pool is written in many turns of the loop', async (t) => {
  const { app, balancer } = await admin(t, 2500)
  const asked = app.inject({ url: '/backends', headers: { host: 'localhost' } })
  assert.ok((await turnsUntil(asked)) >= 24)
  const { statusCode, headers, body } = await asked
  assert.deepEqual([statusCode, headers['content-type']], [200, 'application/json; charset=utf-8'])
  assert.deepEqual(JSON.parse(body), {
    backends: JSON.parse(JSON.stringify(balancer.registry.list().map((backend) => backend.view()))),
  })
})
