import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Balancer, type BalancerOptions, openBalancer } from '../../src/balancer/index.js'
import type { PoolChange } from '../../src/balancer/state/change.js'
import type { StateKeeper } from '../../src/balancer/state/keeper.js'
import { redisStore } from '../../src/stores/redis/redis-store.js'
import { seeded } from '../support/random.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'
import { until } from '../support/until.js'

interface Gateway {
  balancer: Balancer
  keeper: StateKeeper
  told: string[]
  change(change: PoolChange): Promise<unknown>
}

async function start(
  t: TestContext,
  server: RedisServer,
  id: string,
  options?: BalancerOptions,
): Promise<Gateway> {
  const balancer = await openBalancer({ ...options }, redisStore(server.url, { id }))
  const keeper = balancer.keeper as StateKeeper
  t.after(async () => {
    await keeper.close()
    balancer.close()
  })
  const told: string[] = []
  for (const event of ['failed', 'joined', 'restored', 'outOfStep'] as const)
    keeper.on(event, () => told.push(event))
  const change = (wanted: PoolChange) => keeper.change(wanted, { answer: () => undefined })
  return { balancer, keeper, told, change }
}

async function three(t: TestContext, server: RedisServer, options?: BalancerOptions): Promise<Gateway[]> {
  return await Promise.all(['one', 'two', 'three'].map((id) => start(t, server, id, options)))
}

const viewOf = ({ balancer }: Gateway) =>
  JSON.stringify([
    balancer.policy,
    ...balancer.registry
      .list()
      .map(({ id, weight, maxConnections, state, addedAt }) =>
        [id, weight, maxConnections, state, addedAt.toISOString()].join(' '),
      )
      .sort(),
  ])

const untilEqual = (gateways: Gateway[]) =>
  until(
    () => new Set(gateways.map(viewOf)),
    (views) => views.size === 1,
  )

const add = (id: string): PoolChange => ({ kind: 'add', backend: { url: `http://${id}:1`, id } })

test('changes at three gateways at once are all made, and all gateways have the same', {
  skip: withoutRedis,
}, async (t) => {
  const server = await RedisServer.start(t)
  const gateways = await three(t, server, { backends: ['http://a:1'] })
  await untilEqual(gateways)
  const random = seeded(7)
  const oneOf = () => gateways[Math.floor(random() * 3)] as Gateway
  const ids = Array.from({ length: 20 }, (_, i) => `b${i}`)
  await Promise.all(ids.map((id) => oneOf().change(add(id))))
  await Promise.all(
    ids.flatMap((id, i) => [
      oneOf().change({ kind: 'update', id, patch: { weight: i + 1 } }),
      oneOf().change({ kind: 'update', id, patch: { maxConnections: i + 100 } }),
    ]),
  )
  await untilEqual(gateways)
  const [one] = gateways as [Gateway]
  const { registry } = one.balancer
  assert.deepEqual(
    ids.map((id) => [registry.get(id).weight, registry.get(id).maxConnections]),
    ids.map((_, i) => [i + 1, i + 100]),
  )
  assert.equal(registry.size, 21)
  // Of changes of the same field one is the last, and everybody has it.
  await Promise.all(
    gateways.map((gateway, i) => gateway.change({ kind: 'update', id: 'b0', patch: { weight: 50 + i } })),
  )
  await untilEqual(gateways)
  assert.deepEqual(
    gateways.flatMap(({ told }) => told),
    [],
  )
})

test('a store that is emptied, or restarts empty, has everything again', {
  skip: withoutRedis,
}, async (t) => {
  const server = await RedisServer.start(t)
  const gateways = await three(t, server)
  const [one, two] = gateways as [Gateway, Gateway]
  await one.change(add('a'))
  await two.change({ kind: 'drain', id: 'a' })
  await untilEqual(gateways)
  const view = viewOf(one)
  await server.command('FLUSHALL')
  await until(
    () => gateways.flatMap(({ told }) => told),
    (told) => told.includes('restored'),
  )
  await two.change(add('b'))
  await untilEqual(gateways)
  assert.notEqual(viewOf(one), view)
  for (const { balancer } of gateways) assert.equal(balancer.registry.get('a').state, 'draining')

  await server.kill()
  await assert.rejects(two.change(add('c')), { code: 'LEASTWISE_STATE_NOT_SAVED' })
  // One that starts meanwhile has what its configuration says, and joins.
  const late = await start(t, server, 'four', { backends: ['http://d:1'] })
  assert.match(String(late.keeper.awayAtStart), /away|answer|connect/i)
  await server.start()
  gateways.push(late)
  await until(
    () => late.told,
    (told) => told.includes('joined'),
  )
  await untilEqual(gateways)
  await untilStored(one, ['a', 'b', 'd-1'])
  await late.change(add('c'))
  await untilEqual(gateways)
  await untilStored(two, ['a', 'b', 'c', 'd-1'])
})

const untilStored = ({ balancer }: Gateway, ids: string[]) =>
  until(
    () => balancer.registry.list().map(({ id }) => id),
    (found) => found.sort().join() === ids.join(),
  )

test('a store that stands still carries out no change that was refused', {
  skip: withoutRedis,
}, async (t) => {
  const server = await RedisServer.start(t)
  const gateways = await three(t, server)
  const [one, two] = gateways as [Gateway, Gateway]
  await one.change(add('a'))
  await untilEqual(gateways)
  server.signal('SIGSTOP')
  await assert.rejects(one.change({ kind: 'update', id: 'a', patch: { weight: 9 } }), {
    code: 'LEASTWISE_STATE_NOT_SAVED',
  })
  server.signal('SIGCONT')
  const tryAgain = () =>
    two.change({ kind: 'update', id: 'a', patch: { maxConnections: 5 } }).then(
      () => true,
      () => false,
    )
  await until(tryAgain, (isMade) => isMade)
  await untilEqual(gateways)
  const { weight, maxConnections } = one.balancer.registry.get('a')
  assert.deepEqual([weight, maxConnections], [1, 5])
})
