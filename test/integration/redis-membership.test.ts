import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { ObserverGuard } from '../../src/balancer/observer-guard.js'
import { systemClock } from '../../src/balancer/time/clock.js'
import { RedisConnection } from '../../src/stores/redis/connection.js'
import { GATEWAY_LEASE_MS, Membership } from '../../src/stores/redis/membership.js'
import { RedisStore } from '../../src/stores/redis/redis-store.js'
import { Script } from '../../src/stores/redis/script.js'
import { TestClock } from '../support/clock.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'
import { until } from '../support/until.js'

const KEY = '{leastwise}:gateways'
const ping = new Script("return 'PONG'")

/** A gateway whose heartbeat comes when the test says so. Without it the gateway is like a process that was stopped. */
async function open(t: TestContext, server: RedisServer, id: string) {
  const connection = await RedisConnection.open(server.url, systemClock)
  if (connection.isAway) await once(connection, 'back')
  const clock = new TestClock()
  const state = { inFlight: 0, skew: 0 }
  const membership = new Membership(
    {
      key: (name) => connection.key(name),
      run: (...args) => connection.run(...args),
      subscribe: (...args) => connection.subscribe(...args),
      get isAway() {
        return connection.isAway
      },
      now: () => connection.now() + state.skew,
      on: (event, listener) => connection.on(event, listener),
      off: (event, listener) => connection.off(event, listener),
    },
    {
      id,
      version: '1.2.3',
      clock,
      observerGuard: new ObserverGuard((error) => {
        throw error
      }),
      inFlight: () => state.inFlight,
    },
  )
  const events: string[] = []
  membership.on('announced', ({ id, again }) => events.push(`announced ${id}${again ? ' again' : ''}`))
  membership.on('renamed', ({ id, wanted }) => events.push(`renamed ${id} for ${wanted}`))
  membership.on('joined', ({ id }) => events.push(`joined ${id}`))
  membership.on('left', ({ id }, why) => events.push(`left ${id} ${why}`))
  membership.on('failed', ({ message }) => events.push(`failed ${/[A-Z]{4,}/.exec(message)}`))
  t.after(async () => {
    await membership.close()
    connection.close()
  })
  const ids = () => membership.list().map(({ id }) => id)
  return {
    membership,
    connection,
    clock,
    state,
    events,
    ids,
    /** Lives until it says what is wanted of it. */
    async livesUntil(wanted: (ids: string[], events: string[]) => boolean) {
      await until(
        () => {
          clock.pass(100)
          return [...ids(), '|', ...events]
        },
        () => wanted(ids(), events),
      )
    },
  }
}

type Gateway = Awaited<ReturnType<typeof open>>

async function start(t: TestContext, server: RedisServer, id: string): Promise<Gateway> {
  const gateway = await open(t, server, id)
  gateway.membership.start()
  if (gateway.events.length === 0) await once(gateway.membership, 'announced')
  return gateway
}

const isList = (wanted: string) => (ids: string[]) => ids.join() === wanted
const says = (event: string) => (_ids: string[], events: string[]) => events.includes(event)

/** Lets the lease of a gateway end that does not renew it. */
async function endLease(server: RedisServer, id: string): Promise<void> {
  const entry = (await server.command('HGET', KEY, id)).split('\r\n')[1] as string
  const [seen, ...rest] = entry.split(' ')
  await server.command('HSET', KEY, id, [Number(seen) - GATEWAY_LEASE_MS, ...rest].join(' '))
}

test('gateways know of each other: themselves first, then by id', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  const b = await start(t, server, 'b')
  const c = await start(t, server, 'c')
  const a = await start(t, server, 'a')
  c.state.inFlight = 7
  await c.livesUntil(isList('c,a,b'))
  await a.livesUntil(isList('a,b,c'))
  await b.livesUntil(isList('b,a,c'))
  await b.livesUntil(() => b.membership.list()[2]?.inFlight === 7)
  assert.deepEqual(
    b.membership.list().map(({ self }) => self),
    [true, false, false],
  )
  for (const { lastSeen } of b.membership.list()) {
    assert.ok(Math.abs(Date.parse(lastSeen) - Date.now()) < 60_000, lastSeen)
  }
  assert.deepEqual(b.events.sort(), ['announced b', 'joined a', 'joined c'])
  assert.ok(b.membership.isOther(c.membership.instance))
  assert.ok(!b.membership.isOther(b.membership.instance))
})

test('a gateway that closes is gone for the others at once', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  const [a, b] = [await start(t, server, 'a'), await start(t, server, 'b')]
  await a.livesUntil(isList('a,b'))
  const left = once(a.membership, 'left')
  await b.membership.close()
  await left
  assert.deepEqual(a.ids(), ['a'])
  assert.deepEqual(a.events, ['announced a', 'joined b', 'left b closed'])
  assert.equal(await server.command('HLEN', KEY), ':1\r\n+OK\r\n')
})

test('the second of two with the same id has another until the first is gone', {
  skip: withoutRedis,
}, async (t) => {
  const server = await RedisServer.start(t)
  const [first, second] = [await start(t, server, 'a'), await start(t, server, 'a')]
  assert.equal(first.membership.id, 'a')
  const spare = second.membership.id
  assert.match(spare, /^a~[0-9a-f]{4}$/)
  assert.deepEqual(second.events.slice(0, 2), [`announced ${spare}`, `renamed ${spare} for a`])
  await first.livesUntil(isList(`a,${spare}`))
  await second.livesUntil(isList(`${spare},a`))
  // It was killed: nothing renews its lease.
  first.connection.close()
  await endLease(server, 'a')
  await second.livesUntil(isList('a'))
  assert.ok(second.events.includes('renamed a for a'))
  assert.ok(second.events.includes('left a silent'))
  assert.ok(!second.events.includes('announced a again'))
  assert.equal(await server.command('HLEN', KEY), ':1\r\n+OK\r\n')
})

test('of many that start at once with the same id one has it', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  const long = 'x'.repeat(64)
  const gateways = await Promise.all(Array.from({ length: 6 }, () => open(t, server, long)))
  for (const { membership } of gateways) membership.start()
  for (const { events, livesUntil } of gateways) await livesUntil(() => events.length > 0)
  const ids = gateways.map(({ membership }) => membership.id)
  assert.equal(new Set(ids).size, 6)
  assert.equal(ids.filter((id) => id === long).length, 1)
  for (const id of ids) assert.match(id, /^(x{64}|x{59}~[0-9a-f]{4})$/)
})

test('a gateway that was stopped for longer than its lease announces itself anew', {
  skip: withoutRedis,
}, async (t) => {
  const server = await RedisServer.start(t)
  const [a, stopped] = [await start(t, server, 'a'), await start(t, server, 'b')]
  await a.livesUntil(isList('a,b'))
  await endLease(server, 'b')
  a.state.skew = GATEWAY_LEASE_MS
  await a.livesUntil(says('left b silent'))
  a.state.skew = 0
  await stopped.livesUntil(says('announced b again'))
  await a.livesUntil(isList('a,b'))
  // This time another one has its name when it is back.
  await endLease(server, 'b')
  const taker = await start(t, server, 'b')
  assert.equal(taker.membership.id, 'b')
  await stopped.livesUntil((ids) => ids[0] !== 'b')
  const spare = stopped.membership.id
  assert.deepEqual(
    stopped.events.filter((event) => !/joined|left/.test(event)),
    ['announced b', 'announced b again', `announced ${spare} again`, `renamed ${spare} for b`],
  )
  await a.livesUntil(isList(`a,b,${spare}`))
})

test('in a store that was emptied gateways announce themselves again, and miss nobody', {
  skip: withoutRedis,
}, async (t) => {
  const server = await RedisServer.start(t)
  const [a, b] = [await start(t, server, 'a'), await start(t, server, 'b')]
  await a.livesUntil(isList('a,b'))
  await b.livesUntil(isList('b,a'))
  await server.command('FLUSHALL')
  await a.livesUntil(says('announced a again'))
  assert.deepEqual(a.ids(), ['a', 'b'])
  await b.livesUntil(says('announced b again'))
  await a.livesUntil(isList('a,b'))
  assert.ok(![...a.events, ...b.events].some((event) => event.startsWith('left')))
})

test('while the store is away others are there until their leases end', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  const [a, b] = [await start(t, server, 'a'), await start(t, server, 'b')]
  await a.livesUntil(isList('a,b'))
  await b.livesUntil(isList('b,a'))
  await Promise.all([once(a.connection, 'away'), once(b.connection, 'away'), server.kill()])
  a.clock.pass(1000)
  assert.deepEqual(a.ids(), ['a', 'b'])
  a.state.skew = GATEWAY_LEASE_MS
  assert.deepEqual(a.ids(), ['a'])
  assert.ok(!a.membership.isOther(b.membership.instance))
  a.clock.pass(1000)
  assert.equal(a.events.at(-1), 'left b silent')
  a.state.skew = 0
  await Promise.all([once(a.connection, 'back'), once(b.connection, 'back'), server.start()])
  await b.livesUntil(says('announced b again'))
  await a.livesUntil(isList('a,b'))
  assert.deepEqual(a.events.slice(-2).sort(), ['announced a again', 'joined b'])
})

test('what is no entry and no news does no harm', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  const a = await start(t, server, 'a')
  const now = Date.now()
  const garbage = [
    ['b', 'nonsense'],
    ['c', `${now} only-two`],
    ['d', `${now} instance -1 1.0`],
    ['e', '0 instance 1 1.0'],
    ['f', `${now + 10 * GATEWAY_LEASE_MS} of-a-clock-set-back 1 1.0`],
    ['an id with spaces', `${now} instance 1 1.0`],
  ]
  await server.command('HSET', KEY, ...garbage.flat())
  for (const message of [
    '',
    'left',
    'left a',
    'joined',
    `left ${a.membership.instance}`,
    '\u0000',
    'x'.repeat(1e6),
  ]) {
    await server.command('PUBLISH', KEY, message)
  }
  const b = await start(t, server, 'g')
  await a.livesUntil(isList('a,g'))
  await b.livesUntil(isList('g,a'))
  assert.deepEqual(a.events, ['announced a', 'joined g'])
  // What could be an entry is left to its end.
  assert.equal(await server.command('HLEN', KEY), ':3\r\n+OK\r\n')
})

test('leases are renewed in a store that is out of memory', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  const a = await start(t, server, 'a')
  await server.command('CONFIG', 'SET', 'maxmemory', '1')
  assert.match(await server.command('SET', 'x', 'y'), /OOM/)
  const b = await start(t, server, 'b')
  a.state.inFlight = 3
  await a.livesUntil(isList('a,b'))
  await b.livesUntil(() => b.membership.list()[1]?.inFlight === 3)
  assert.deepEqual(a.events, ['announced a', 'joined b'])
})

test('a store that refuses the announcement is told of once', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  const a = await start(t, server, 'a')
  await server.command('SET', KEY, 'of somebody else')
  await a.livesUntil(says('failed WRONGTYPE'))
  const calls = a.events.length
  for (let i = 0; i < 5; i++) {
    a.clock.pass(1000)
    await a.connection.run(ping, [], [])
  }
  assert.equal(a.events.length, calls)
  await server.command('DEL', KEY)
  await a.livesUntil(says('announced a again'))
})

test('a store that a pool begins to use while the last one closes it joins the gateways again', {
  skip: withoutRedis,
}, async (t) => {
  const server = await RedisServer.start(t)
  const [store, other] = ['one', 'two'].map((id) => new RedisStore(server.url, { id })) as [
    RedisStore,
    RedisStore,
  ]
  t.after(() => Promise.all([store.close(), other.close()]))
  const events: string[] = []
  other.gateways.on('joined', ({ id }) => events.push(`joined ${id}`))
  other.gateways.on('left', ({ id }, why) => events.push(`left ${id} ${why}`))
  await other.open()
  const first = store.forPool('first')
  await first.load()
  await until(
    () => events.at(-1),
    (event) => event === 'joined one',
  )
  await Promise.all([first.close(), store.forPool('second').load()])
  await until(
    () => events,
    (seen) => seen.join() === 'joined one,left one closed,joined one',
  )
  assert.equal(store.connection.isAway, false)
})
