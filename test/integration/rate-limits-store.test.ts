import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../src/balancer/time/clock.js'
import { PatientCounter } from '../../src/limits/patient-counter.js'
import { RedisConnection } from '../../src/stores/redis/connection.js'
import { RedisCounter } from '../../src/stores/redis/rate-limits.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'
import { until } from '../support/until.js'

const WINDOW = 60_000
const skip = withoutRedis

async function connected(t: TestContext, server: RedisServer) {
  const connection = await RedisConnection.open(server.url, systemClock)
  t.after(() => connection.close())
  if (connection.isAway) await once(connection, 'back')
  return { connection, counter: new RedisCounter(connection) }
}

/** Two counters over one store, as two gateways have them. */
async function two(t: TestContext, ...args: string[]) {
  const server = await RedisServer.start(t, ...args)
  const [a, b] = [await connected(t, server), await connected(t, server)]
  return { server, a, b, counters: [a.counter, b.counter] }
}

/** Counts as a request does: undefined where the request is not counted. */
function patient(counter: RedisCounter) {
  const told: string[] = []
  const patience = new PatientCounter({
    counter,
    clock: systemClock,
    patience: 50,
    onUncounted: (reason) => told.push((reason as Error).message),
    onCounted: () => told.push('counted again'),
  })
  const count = (key = 'a') =>
    new Promise<number | undefined>((resolve) => {
      patience.increment(key, WINDOW, 10, (counted) => resolve(counted?.current))
    })
  return { told, count }
}

test('1,000 requests at once over two gateways are counted once each', { skip }, async (t) => {
  const { server, counters } = await two(t)
  const counts = await Promise.all(
    Array.from({ length: 1000 }, (_, i) => (counters[i % 2] as RedisCounter).increment('a', WINDOW)),
  )
  const sorted = counts.map(({ current }) => current).sort((x, y) => x - y)
  assert.deepEqual(
    sorted,
    Array.from({ length: 1000 }, (_, i) => i + 1),
  )
  for (const { ttl } of counts) assert.ok(ttl > 0 && ttl <= WINDOW, String(ttl))
  assert.deepEqual((await counters[0]?.peek('a'))?.current, 1000)
  assert.equal(await counters[0]?.peek('b'), undefined)
  const keys = await server.command('KEYS', '*')
  assert.match(keys, /^\*1\r\n\$39\r\n\{leastwise\}:rate:[\w-]{22}\r\n/)
})

test('a window begins with its first request, and leaves nothing in the store', { skip }, async (t) => {
  const { server, counters } = await two(t)
  const [one, other] = counters as [RedisCounter, RedisCounter]
  const first = await one.increment('short', 50)
  assert.equal(first.current, 1)
  assert.ok(first.ttl <= 50)
  await until(
    () => server.command('DBSIZE'),
    (size) => size.startsWith(':0'),
  )
  assert.deepEqual((await other.increment('short', WINDOW)).current, 1)
  // A count without an end, as another program may leave it, would refuse a client for ever.
  const [, key] = (await server.command('KEYS', '*')).match(/(\{leastwise\}\S+)/) ?? []
  await server.command('PERSIST', key as string)
  assert.deepEqual(await one.increment('short', 1000), { current: 2, ttl: 1000 })
})

test('counts go on after the store has forgotten the script', { skip }, async (t) => {
  const { server, counters } = await two(t)
  const [one, other] = counters as [RedisCounter, RedisCounter]
  await one.increment('a', WINDOW)
  await server.command('SCRIPT', 'FLUSH')
  const counts = await Promise.all([one.increment('a', WINDOW), other.increment('a', WINDOW), one.peek('a')])
  assert.deepEqual(counts.map((count) => count?.current).includes(3), true)
})

test('requests are not counted while the store is killed, and are again once it is back', {
  skip,
}, async (t) => {
  const { server, a } = await two(t)
  const { told, count } = patient(a.counter)
  assert.equal(await count(), 1)
  const away = once(a.connection, 'away')
  await server.kill()
  await away
  assert.deepEqual(await Promise.all([count(), count()]), [undefined, undefined])
  const back = once(a.connection, 'back')
  await server.start()
  await back
  assert.equal(await count(), 1)
  assert.match(told[0] as string, /away/)
  assert.deepEqual(
    told.slice(1).filter((reason) => reason !== 'counted again'),
    [],
  )
})

test('a stopped store is waited for once, and counts as soon as it goes on', { skip }, async (t) => {
  const { server, a } = await two(t)
  const { told, count } = patient(a.counter)
  assert.equal(await count(), 1)
  server.signal('SIGSTOP')
  t.after(() => server.signal('SIGCONT'))
  assert.equal(await count(), undefined)
  let isOver = false
  const more = Array.from({ length: 100 }, () => count())
  void Promise.all(more).then(() => {
    isOver = true
  })
  await null
  await null
  await null
  assert.equal(isOver, true, 'requests wait for a stopped store')
  server.signal('SIGCONT')
  await until(count, (counted) => counted !== undefined)
  assert.match(told.join(), /^the counter of rate limits did not answer within 50 ms/)
})

test('a store without memory, and one that is a replica, refuse to count', { skip }, async (t) => {
  const { server, a } = await two(t, '--maxmemory-policy', 'noeviction')
  const { told, count } = patient(a.counter)
  assert.equal(await count(), 1)
  await server.command('CONFIG', 'SET', 'maxmemory', '1')
  assert.equal(await count(), undefined)
  assert.match(told.at(-1) as string, /OOM/)
  // The count of a client that is there can be read.
  assert.equal((await a.counter.peek('a'))?.current, 1)
  await server.command('CONFIG', 'SET', 'maxmemory', '0')
  assert.equal(await count(), 2)
  await server.command('REPLICAOF', '127.0.0.1', '1')
  await assert.rejects(a.counter.increment('a', WINDOW), /READONLY/)
  await server.command('REPLICAOF', 'NO', 'ONE')
  if (a.connection.isAway) await once(a.connection, 'back')
  assert.equal(await count(), 3)
})

test('where the store may forget the least used keys, a flood of clients does not reset who is near the limit', {
  skip,
}, async (t) => {
  const { server, a } = await two(t, '--maxmemory-policy', 'volatile-lfu')
  for (let i = 0; i < 90; i++) await a.counter.increment('busy', WINDOW)
  await server.command('SET', 'backends', 'x'.repeat(1000))
  const used = /used_memory:(\d+)/.exec(await server.command('INFO', 'memory'))?.[1]
  await server.command('CONFIG', 'SET', 'maxmemory', String(Number(used) + 500_000))
  for (let i = 0; i < 20; i++)
    await Promise.all(
      Array.from({ length: 1000 }, (_, j) => a.counter.increment(`flood ${1000 * i + j}`, WINDOW)),
    )
  const [, size] = /:(\d+)/.exec(await server.command('DBSIZE')) ?? []
  assert.ok(Number(size) < 20_000, `${size} keys`)
  assert.equal((await a.counter.increment('busy', WINDOW)).current, 91)
  assert.match(await server.command('STRLEN', 'backends'), /^:1000/)
})
