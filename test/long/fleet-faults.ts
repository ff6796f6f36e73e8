import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { GatewayFleet } from '../support/gateway-fleet.js'
import type { GatewayProcess } from '../support/process.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'
import { until } from '../support/until.js'

const skip = withoutRedis
/** Room for a busy machine; a change reaches every gateway within a second. */
const MAX_AGREEMENT_MS = 5000

/** Nothing is lost, and everything ends. */
async function end(t: TestContext, fleet: GatewayFleet): Promise<void> {
  const took = await fleet.agree()
  const requests = await fleet.rest()
  assert.deepEqual(Object.fromEntries(fleet.failures), {}, `of ${requests} requests`)
  await fleet.settle()
  t.diagnostic(`${requests} requests; all views were equal after ${Math.round(took)} ms`)
}

async function away(fleet: GatewayFleet): Promise<void> {
  for (const gateway of fleet.gateways) await gateway.line(({ event }) => event === 'store away')
}

async function back(fleet: GatewayFleet): Promise<void> {
  for (const gateway of fleet.gateways) await gateway.line(({ event }) => event === 'store back')
}

test('fifty changes at random gateways under load are in force at all, and lose no request', {
  skip,
}, async (t) => {
  const store = await RedisServer.start(t)
  const fleet = await GatewayFleet.start(t, store)
  fleet.work()
  for (let i = 0; i < 50; i++) {
    assert.deepEqual(await fleet.change(1), { made: 1, refused: 0 })
    // So that the load is there for some seconds.
    await wait(80)
  }
  assert.ok((await fleet.agree()) < MAX_AGREEMENT_MS)
  await end(t, fleet)
})

test('a store that is killed and comes back empty has the newest state again, written once', {
  skip,
}, async (t) => {
  const store = await RedisServer.start(t)
  const fleet = await GatewayFleet.start(t, store, { seed: 2 })
  fleet.work()
  await fleet.change(20)
  await fleet.agree()
  await store.kill()
  await away(fleet)
  assert.deepEqual(await fleet.change(10), { made: 0, refused: 10 })
  await fleet.agree()
  await store.start()
  await back(fleet)
  await fleet.agree()
  await until(
    () => fleet.lines('state restored').length,
    (count) => count >= 1,
  )
  assert.deepEqual(await fleet.change(10), { made: 10, refused: 0 })
  await end(t, fleet)
  assert.equal(fleet.lines('state restored').length, 1)
  await fleet.meet(3)
})

test('a store that is emptied gets the state back, written once, and no backend is dropped', {
  skip,
}, async (t) => {
  const store = await RedisServer.start(t)
  const fleet = await GatewayFleet.start(t, store, { seed: 3 })
  fleet.work()
  await fleet.change(20)
  await fleet.agree()
  await store.command('FLUSHALL')
  await until(
    () => fleet.lines('state restored').length,
    (count) => count >= 1,
  )
  await fleet.change(20)
  await end(t, fleet)
  assert.equal(fleet.lines('state restored').length, 1)
  await fleet.meet(3)
})

test('a store that has an older state gets the newest one', { skip }, async (t) => {
  const store = await RedisServer.start(t)
  const fleet = await GatewayFleet.start(t, store, { seed: 4 })
  fleet.work()
  await fleet.change(10)
  await store.command('COPY', '{leastwise}:pool:default', 'older')
  await fleet.change(10)
  await fleet.agree()
  await store.command('COPY', 'older', '{leastwise}:pool:default', 'REPLACE')
  await until(
    () => fleet.lines('state restored').length,
    (count) => count >= 1,
  )
  await fleet.change(10)
  await end(t, fleet)
  assert.equal(fleet.lines('state restored').length, 1)
})

test('a store that stands still for 20 seconds holds up no request, and refuses changes for good', {
  skip,
}, async (t) => {
  const store = await RedisServer.start(t)
  const fleet = await GatewayFleet.start(t, store, { seed: 5 })
  fleet.work()
  await fleet.change(10)
  await fleet.agree()
  store.signal('SIGSTOP')
  const stopped = performance.now()
  const first = fleet.change(3)
  await away(fleet)
  await first
  assert.deepEqual(await fleet.change(10), { made: 0, refused: 10 })
  await fleet.agree()
  await wait(20_000 - (performance.now() - stopped))
  store.signal('SIGCONT')
  await back(fleet)
  await fleet.agree()
  assert.deepEqual(await fleet.change(10), { made: 10, refused: 0 })
  await end(t, fleet)
  assert.equal(fleet.lines('state restored').length, 0)
})

test('a link to the store of 500 ms is slow, and nothing more', { skip }, async (t) => {
  const store = await RedisServer.start(t)
  const fleet = await GatewayFleet.start(t, store, { seed: 6 })
  fleet.work()
  for (const link of fleet.links) link.delay = 250
  assert.deepEqual(await fleet.change(10), { made: 10, refused: 0 })
  await end(t, fleet)
  assert.equal(fleet.lines('store away').length, 0)
})

test('a store that is out of memory refuses changes with the reason, and traffic goes on', {
  skip,
}, async (t) => {
  const store = await RedisServer.start(t)
  const fleet = await GatewayFleet.start(t, store, { seed: 7 })
  fleet.work()
  await fleet.change(10)
  await store.command('CONFIG', 'SET', 'maxmemory', '1')
  // What changes nothing, as the activation of an active backend, needs no memory.
  assert.ok((await fleet.change(20)).refused > 5)
  await fleet.agree()
  await fleet.meet(3)
  await store.command('CONFIG', 'SET', 'maxmemory', '0')
  assert.deepEqual(await fleet.change(10), { made: 10, refused: 0 })
  await end(t, fleet)
})

test('a gateway that is cut off serves on, and takes over what it has missed', { skip }, async (t) => {
  const store = await RedisServer.start(t)
  const fleet = await GatewayFleet.start(t, store, { seed: 8 })
  const [a, b, c] = fleet.gateways as [GatewayProcess, GatewayProcess, GatewayProcess]
  const [link] = fleet.links
  fleet.work()
  assert.ok(link)
  link.isHole = true
  await a.line(({ event }) => event === 'store away')
  assert.deepEqual(await fleet.change(5, [a]), { made: 0, refused: 5 })
  assert.deepEqual(await fleet.change(20, [b, c]), { made: 20, refused: 0 })
  await fleet.agree([b, c])
  await fleet.meet(2, [b, c])
  link.isHole = false
  await fleet.agree()
  await fleet.meet(3)
  await end(t, fleet)
})
