import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { Balancer } from '../../src/balancer/balancer.js'
import { FleetPool } from '../../src/balancer/fleet/fleet-pool.js'
import { ObserverGuard } from '../../src/balancer/observer-guard.js'
import { openBalancer } from '../../src/balancer/state/open-balancer.js'
import { systemClock } from '../../src/balancer/time/clock.js'
import { RedisConnection } from '../../src/stores/redis/connection.js'
import { CountsChannel } from '../../src/stores/redis/counts-channel.js'
import { Membership } from '../../src/stores/redis/membership.js'
import { type RedisStore, redisStore } from '../../src/stores/redis/redis-store.js'
import { Script } from '../../src/stores/redis/script.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'
import { until } from '../support/until.js'

const backends = ['a', 'b'].map((id) => ({ url: `http://${id}:1`, id }))

/** A gateway with one pool, as far as its requests in flight go. */
async function start(t: TestContext, server: RedisServer, id: string) {
  const connection = await RedisConnection.open(server.url, systemClock)
  const membership: Membership = new Membership(connection, {
    id,
    version: '1.2.3',
    clock: systemClock,
    observerGuard: new ObserverGuard((error) => {
      throw error
    }),
    inFlight: () => channel.inFlight,
  })
  const channel = new CountsChannel(connection, membership, systemClock)
  channel.start()
  const balancer = new Balancer({ backends })
  const slots = { isAway: false, lease: async () => [], onNews: () => () => {} }
  balancer.parts.fleet = new FleetPool(balancer.parts, { counts: channel.forPool('p'), slots })
  membership.start()
  const close = async () => {
    balancer.close()
    channel.close()
    await membership.close()
    connection.close()
  }
  t.after(close)
  if (connection.isAway) await once(connection, 'back')
  const elsewhere = () => balancer.registry.list().map(({ inFlightElsewhere }) => inFlightElsewhere)
  return {
    balancer,
    connection,
    membership,
    close,
    /** Looks until other gateways have so many requests on the backends. */
    seesElsewhere: (...wanted: number[]) => until(elsewhere, (seen) => seen.join() === wanted.join()),
  }
}

const leases = (balancer: Balancer, count: number) => Array.from({ length: count }, () => balancer.acquire())

test('gateways see what the others have in flight, and nothing of one that has closed', {
  skip: withoutRedis,
}, async (t) => {
  const server = await RedisServer.start(t)
  const [one, two] = [await start(t, server, 'one'), await start(t, server, 'two')]
  const held = leases(one.balancer, 6)
  await two.seesElsewhere(3, 3)
  leases(two.balancer, 2)
  await one.seesElsewhere(1, 1)
  // One that joins hears what has not changed for a while.
  const three = await start(t, server, 'three')
  await three.seesElsewhere(4, 4)
  await until(
    () => two.membership.list(),
    (list) => list.map(({ inFlight }) => inFlight).join() === '2,6,0',
  )
  for (const lease of held) lease.release('ok')
  await two.seesElsewhere(0, 0)
  await three.seesElsewhere(1, 1)
  await two.close()
  await three.seesElsewhere(0, 0)
  assert.deepEqual(
    three.membership.list().map(({ id }) => id),
    ['three', 'one'],
  )
})

test('what was told while the store was away is heard when it is back', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  const [one, two] = [await start(t, server, 'one'), await start(t, server, 'two')]
  leases(one.balancer, 2)
  await two.seesElsewhere(1, 1)
  await Promise.all([once(one.connection, 'away'), server.kill()])
  leases(one.balancer, 4)
  await server.start()
  await two.seesElsewhere(3, 3)
  await server.command('FLUSHALL')
  leases(one.balancer, 2)
  await two.seesElsewhere(4, 4)
})

test('a flood of garbage on the channel does not keep gateways from hearing each other', {
  skip: withoutRedis,
}, async (t) => {
  const server = await RedisServer.start(t)
  const [one, two] = [await start(t, server, 'one'), await start(t, server, 'two')]
  const garbage = [
    '',
    '1 x 1 1 [',
    `1 ${one.membership.instance} 0 1 [["p",1,[9]]]`,
    `1 stranger ask`,
    'x'.repeat(10_000),
  ]
  for (let i = 0; i < 200; i++)
    one.connection.publish(one.connection.key('counts'), garbage[i % garbage.length] as string)
  leases(one.balancer, 4)
  await two.seesElsewhere(2, 2)
})

test('pools with a store of Redis take part, until the last of them is closed', {
  skip: withoutRedis,
}, async (t) => {
  const server = await RedisServer.start(t)
  assert.throws(() => redisStore(server.url, { id: 'has spaces' }), /must have an id/)
  const stores = ['one', 'two'].map((id) => redisStore(server.url, { id })) as [RedisStore, RedisStore]
  t.after(() => Promise.all(stores.map((store) => store.close())))
  const open = (store: RedisStore, name: string) => openBalancer({ backends }, store.forPool(name))
  const [p, q] = [await open(stores[0], 'p'), await open(stores[0], 'q')]
  const other = await open(stores[1], 'q')
  leases(q, 4)
  const elsewhere = () => other.registry.list().map(({ inFlightElsewhere }) => inFlightElsewhere)
  await until(elsewhere, (seen) => seen.join() === '2,2')
  const ids = () => stores[1].gateways.list().map(({ id }) => id)
  assert.deepEqual(ids(), ['two', 'one'])
  await p.keeper?.close()
  p.close()
  await stores[1].connection.run(new Script('return 1'), [], [])
  assert.deepEqual(ids(), ['two', 'one'])
  await q.keeper?.close()
  q.close()
  await until(ids, (seen) => seen.join() === 'two')
  await until(elsewhere, (seen) => seen.join() === '0,0')
  // The same store can be used again.
  const again = await open(stores[0], 'p')
  await until(ids, (seen) => seen.join() === 'two,one')
  for (const { keeper } of [again, other]) await keeper?.close()
  for (const pool of [again, other]) pool.close()
})
