import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { test } from 'node:test'
import Fastify from 'fastify'
import { adminRoutes } from '../../../routes/admin.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import type { FleetStatus } from '../../../src/balancer/fleet/fleet-status.js'
import type { LocalKeeper } from '../../../src/balancer/state/local-keeper.js'
import { TestClock } from '../../support/clock.js'
import { EventReader } from '../../support/events.js'
import { playedStatus } from '../../support/played-fleet.js'

async function admin(pools: Record<string, Balancer>, gatewayId?: string) {
  const app = Fastify()
  await app.register(adminRoutes, {
    pools: new Map(Object.entries(pools)),
    token: undefined,
    gatewayId,
    prefix: '/admin',
  })
  return async (path: string) => {
    const { statusCode, body } = await app.inject({ url: `/admin${path}`, headers: { host: 'localhost' } })
    return { status: statusCode, body: JSON.parse(body) }
  }
}

function poolWith(status: FleetStatus | undefined): Balancer {
  const pool = new Balancer({ backends: ['http://a:1'] })
  if (status) pool.keeper = { fleet: { status } } as LocalKeeper
  return pool
}

test('where no store is shared there is one gateway, with the requests of all pools', async () => {
  const pools = { users: poolWith(undefined), orders: poolWith(undefined) }
  const leases = [pools.users.acquire(), pools.users.acquire(), pools.orders.acquire()]
  const get = await admin(pools, 'web-1')
  const before = Date.now()
  const { status, body } = await get('/gateways')
  assert.equal(status, 200)
  assert.ok(Date.parse(body.gateways[0].lastSeen) >= before)
  body.gateways[0].lastSeen = ''
  assert.deepEqual(body, { gateways: [{ id: 'web-1', lastSeen: '', inFlight: 3, self: true }] })
  assert.equal('store' in (await get('/pools/users')).body, false)
  assert.deepEqual((await get('/pools/users/readyz')).body, { status: 'ready' })
  for (const lease of leases) lease.release('ok')
})

test('a gateway that was given no id has that of its host, the same at each call', async () => {
  const get = await admin({ default: poolWith(undefined) })
  const [{ body: one }, { body: two }] = [await get('/gateways'), await get('/gateways')]
  assert.ok(
    one.gateways[0].id.startsWith(
      hostname()
        .replace(/[^A-Za-z0-9._~-]+/g, '-')
        .slice(0, 20),
    ),
  )
  assert.equal(one.gateways[0].id, two.gateways[0].id)
})

test('gateways that share a store are listed as they were heard of, also while it is away', async () => {
  const { status: fleet, link, directory } = playedStatus(new TestClock())
  directory.join('one', 4)
  directory.join('two', 5)
  const get = await admin({ default: poolWith(fleet) }, 'unused')
  const listed = { gateways: directory.gateways }
  assert.deepEqual((await get('/gateways')).body, listed)
  assert.deepEqual((await get('/pool')).body.store, {
    name: 'redis://store:6379',
    away: false,
    awaySince: null,
  })
  link.go()
  assert.deepEqual((await get('/gateways')).body, listed)
  const away = {
    name: 'redis://store:6379',
    away: true,
    awaySince: new Date(1_700_000_000_000).toISOString(),
  }
  assert.deepEqual((await get('/pool')).body.store, away)
  assert.deepEqual((await get('/pools')).body.pools[0].store, away)
  // Traffic goes on, so that an orchestrator must not take the gateway out.
  const ready = await get('/readyz')
  assert.deepEqual([ready.status, ready.body], [200, { status: 'ready', store: 'away' }])
  link.come()
  assert.deepEqual((await get('/readyz')).body, { status: 'ready' })
})

test('snapshots have the gateways, and what changes about them and the store is an event', async (t) => {
  const { status: fleet, link, directory } = playedStatus(new TestClock())
  directory.join('one', 4)
  const app = Fastify()
  await app.register(adminRoutes, { pools: new Map([['default', poolWith(fleet)]]), token: undefined })
  t.after(() => app.close())
  const reader = await EventReader.open(`${await app.listen({ port: 0, host: '127.0.0.1' })}/events`)
  const snapshot = await reader.next('snapshot')
  assert.deepEqual(
    [snapshot.data.gateways, snapshot.data.pool.store.away],
    [JSON.parse(JSON.stringify(directory.gateways)), false],
  )
  link.go('the connection was closed')
  const { data: away } = await reader.next('change')
  assert.deepEqual(
    [away.type, away.backend, away.fleet.store.away, away.fleet.reason],
    ['store', null, true, 'the connection was closed'],
  )
  directory.join('two')
  const { data: joined } = await reader.next('change')
  assert.deepEqual([joined.type, joined.fleet], ['gateway', { type: 'joined', id: 'two' }])
})
