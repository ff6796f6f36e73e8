import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { RedisServer, withoutRedis } from '../support/redis-server.js'
import { SlotGateways, used } from '../support/slot-gateways.js'
import { until } from '../support/until.js'

const LIMIT = 10

/** Three gateways, each with as many requests as it can get. */
async function busy(t: TestContext) {
  const server = await RedisServer.start(t)
  await used(server)
  const gateways = new SlotGateways(t, server, LIMIT)
  for (let i = 0; i < 3; i++) await gateways.join()
  let isOver = false
  const loads = gateways.list.map((gateway) => gateways.load(gateway, 40, () => isOver))
  const slots = () =>
    gateways.list.filter(({ isAlive }) => isAlive).map(({ balancer }) => balancer.registry.get('b').slots)
  await until(slots, (each) => each.reduce((sum, count) => sum + count) === LIMIT && Math.min(...each) >= 3)
  const end = async () => {
    isOver = true
    await Promise.all(loads)
    assert.equal(gateways.inFlight, 0)
    assert.ok(gateways.most <= LIMIT, `${gateways.most}`)
  }
  return { server, gateways, slots, end }
}

test('slots of a killed gateway come back with its lease', {
  skip: withoutRedis,
  concurrency: true,
}, async (t) => {
  const { gateways, slots, end } = await busy(t)
  const [first] = gateways.list
  assert.ok(first)
  gateways.kill(first)
  await until(slots, ([one = 0, other = 0]) => one === 5 && other === 5)
  await end()
})

test('a store that is killed, and comes back empty', { skip: withoutRedis, concurrency: true }, async (t) => {
  const { server, gateways, slots, end } = await busy(t)
  await server.kill()
  const before = gateways.served
  await until(
    () => gateways.served,
    (served) => served > before + 1000,
  )
  assert.deepEqual(slots().sort(), [3, 3, 4], 'each keeps what it has')
  await server.start()
  // A gateway that nobody knows starts at the same time.
  const late = await gateways.join()
  await Promise.all(Array.from({ length: 20 }, () => gateways.send(late)))
  await end()
})

test('a store that is emptied', { skip: withoutRedis, concurrency: true }, async (t) => {
  const { server, gateways, end } = await busy(t)
  await server.command('FLUSHALL')
  const late = await gateways.join()
  await Promise.all(Array.from({ length: 20 }, () => gateways.send(late)))
  await end()
})

test('a store that stands still for longer than a lease', {
  skip: withoutRedis,
  concurrency: true,
}, async (t) => {
  const { server, gateways, slots, end } = await busy(t)
  server.signal('SIGSTOP')
  const [first] = gateways.list
  await until(() => first?.store.isAway, Boolean)
  const before = Date.now()
  await until(
    () => Date.now() - before,
    (passed) => passed > 6000,
  )
  server.signal('SIGCONT')
  await until(
    () => gateways.list.some(({ store }) => store.isAway),
    (isAway) => !isAway,
  )
  const before2 = gateways.served
  await until(
    () => gateways.served,
    (served) => served > before2 + 3000,
  )
  assert.equal(
    slots().reduce((sum, count) => sum + count),
    LIMIT,
  )
  await end()
})
