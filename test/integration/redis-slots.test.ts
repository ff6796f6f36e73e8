import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SlotRequest } from '../../src/balancer/fleet/slot-store.js'
import { systemClock } from '../../src/balancer/time/clock.js'
import { RedisConnection } from '../../src/stores/redis/connection.js'
import { Script } from '../../src/stores/redis/script.js'
import { slotsSource } from '../../src/stores/redis/slots-script.js'
import { seeded } from '../support/random.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'
import { SLOTS_KEY, SlotGateways, used } from '../support/slot-gateways.js'
import { SlotModel } from '../support/slot-model.js'

const URLS = ['http://a:1', 'http://b:1']

/** The script with a clock that is set, on a server that has been running for long. */
function scriptWithClock(): Script {
  const parts: [string, string][] = [
    ["redis.call('TIME')", "{ redis.call('GET', KEYS[2]), 0 }"],
    ['tonumber(time[1]) * 1000', 'tonumber(time[1])'],
    ["redis.pcall('INFO', 'server')", "'uptime_in_seconds:1000'"],
  ]
  let source = slotsSource
  for (const [theirs, ours] of parts) {
    assert.ok(source.includes(theirs), theirs)
    source = source.replace(theirs, ours)
  }
  return new Script(source)
}

test('the script does what the model does', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  const connection = await RedisConnection.open(server.url, systemClock)
  t.after(() => connection.close())
  await connection.ready()
  const script = scriptWithClock()
  const setNow = new Script("return redis.call('SET', KEYS[1], ARGV[1])")
  const model = new SlotModel()
  const random = seeded(7)
  const between = (least: number, most: number) => least + Math.floor(random() * (most - least + 1))
  const known: Record<string, number> = {}
  const numbers: Record<string, number> = {}
  let now = 1_700_000_000_000
  for (let i = 0; i < 2500; i++) {
    const chance = random()
    if (chance < 0.004) {
      await server.command('FLUSHALL')
      model.empty()
    } else if (chance < 0.008) now -= between(1, 3000)
    else now += chance < 0.02 ? between(1000, 6000) : between(0, 150)
    const token = `g${between(1, 6)}`
    const pool = random() < 0.8 ? 'p' : 'q'
    const name = `${pool}${token}`
    const number = random() < 0.03 ? (numbers[name] ?? 1) : (numbers[name] ?? 0) + 1
    numbers[name] = number
    const leaves = random() < 0.02
    const requests = URLS.filter(() => random() < 0.7).map((url): SlotRequest => {
      const limit = random() < 0.1 ? between(1, 9) : url === 'http://a:1' ? 2 : 8
      const needed = Math.min(limit, Math.max(0, between(-3, 9)))
      const held = random() < 0.1 ? between(0, 9) : Math.min(needed, model.held(url, pool)[token] ?? 0)
      return { url, limit, held, needed, wanted: Math.min(limit, needed + between(0, 2)) }
    })
    const expected = model.lease({ pool, token, number, known: known[name] ?? 0, leaves, requests }, now)
    const args = requests.flatMap(({ url, limit, held, needed, wanted }) => [
      url,
      limit,
      held,
      needed,
      wanted,
    ])
    await connection.run(setNow, ['{leastwise}:now'], [now])
    const answer = await connection.run(
      script,
      [SLOTS_KEY, '{leastwise}:now'],
      [pool, token, number, known[name] ?? 0, leaves ? 'leave' : '', ...args],
    )
    const flat = expected && [
      expected.now,
      Number(expected.isNew),
      ...expected.grants.flatMap(({ url, slots, share }) => [
        slots,
        share,
        Number(expected.tells.includes(url)),
      ]),
    ]
    assert.deepEqual(
      answer,
      flat ?? [],
      `call ${i}: ${JSON.stringify({ pool, token, number, leaves, requests })}`,
    )
    known[name] = leaves ? 0 : now
  }
})

test('three gateways: a backend never has more than its limit, and all are served', {
  skip: withoutRedis,
}, async (t) => {
  const server = await RedisServer.start(t)
  await used(server)
  const gateways = new SlotGateways(t, server, 10)
  for (let i = 0; i < 3; i++) await gateways.join()
  await Promise.all(
    gateways.list.flatMap((gateway) => Array.from({ length: 100 }, () => gateways.send(gateway))),
  )
  assert.deepEqual([gateways.served, gateways.inFlight], [300, 0])
  assert.ok(gateways.most <= 10, `${gateways.most}`)
})

test('a limit of one is served by three gateways in turn', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  await used(server)
  const gateways = new SlotGateways(t, server, 1)
  for (let i = 0; i < 3; i++) await gateways.join()
  await Promise.all(
    gateways.list.flatMap((gateway) => Array.from({ length: 5 }, () => gateways.send(gateway))),
  )
  assert.deepEqual([gateways.served, gateways.most], [15, 1])
})

test('a gateway that closes gives its slots back at once', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  await used(server)
  const gateways = new SlotGateways(t, server, 2)
  const [first, second] = [await gateways.join(), await gateways.join()]
  await Promise.all([gateways.send(first), gateways.send(first)])
  await first.balancer.keeper?.close()
  first.balancer.close()
  await first.store.close()
  const slots = await server.command('HGETALL', SLOTS_KEY)
  assert.doesNotMatch(slots.replace(/.*slots/s, ''), /\[2,/)
  await Promise.all([gateways.send(second), gateways.send(second)])
})
