import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { TestBackend } from '../support/backend.js'
import { call, type Reply } from '../support/client.js'
import { openFileGateway } from '../support/file-gateway.js'

/** A backend that answers with its name. */
async function named(t: TestContext, name: string): Promise<TestBackend> {
  const backend = await new TestBackend((request, response) => {
    request.resume().once('end', () => response.end(name))
  }).listen()
  t.after(() => backend.close())
  return backend
}

type PoolSettings = Record<string, unknown>

/** A gateway whose only route is split between the pools `users` and `next`. */
async function openSplit(
  t: TestContext,
  split: Record<string, number>,
  { users = {}, next = {}, both = {} }: { users?: PoolSettings; next?: PoolSettings; both?: PoolSettings },
) {
  const [stable, canary] = [await named(t, 'users'), await named(t, 'next')]
  const contents = (weights: Record<string, number>) => ({
    pools: {
      users: { backends: [stable.url], ...both, ...users },
      next: { backends: [canary.url], ...both, ...next },
    },
    routes: [{ name: 'all', match: { path: '/' }, split: weights }],
  })
  const gateway = await openFileGateway(t, contents(split))
  return {
    gateway,
    stable,
    canary,
    ask: (headers: Record<string, string> = {}) => call(gateway.url, { headers }),
    split: (weights: Record<string, number>) => gateway.apply(contents(weights)),
  }
}

function cookieOf({ headers }: Reply): string | undefined {
  const [set] = [headers['set-cookie'] ?? []].flat()
  return set?.split(';')[0]
}

async function poolsOf(
  ask: (headers: Record<string, string>) => Promise<Reply>,
  all: Record<string, string>[],
): Promise<string[]> {
  const replies = await Promise.all(all.map((headers) => ask(headers)))
  for (const { status } of replies) assert.equal(status, 200)
  return replies.map(({ text }) => text)
}

test('requests are split by weight; counts, metrics and the access log are those of the pool', async (t) => {
  const { gateway, ask, stable, canary } = await openSplit(t, { users: 70, next: 30 }, {})
  const pools = await poolsOf(ask, Array(400).fill({}))
  // 5 standard deviations.
  assert.ok(Math.abs(canary.total - 120) < 46, String(canary.total))
  assert.equal(stable.total + canary.total, 400)
  assert.equal(pools.filter((pool) => pool === 'next').length, canary.total)
  const total = (name: string) => gateway.pool(name).registry.list()[0]?.leases.total
  assert.deepEqual([total('users'), total('next')], [stable.total, canary.total])
  const logged = gateway.lines.filter(({ msg }) => msg === 'request')
  assert.equal(logged.filter(({ pool }) => pool === 'next').length, canary.total)
  const metrics = await gateway.metrics()
  assert.match(
    metrics,
    new RegExp(`leastwise_requests_total\\{.*outcome="ok",pool="next".*\\} ${canary.total}\\n`),
  )
})

test('a header: a client keeps its pool while weights change, and moves only one way', async (t) => {
  const { ask, split } = await openSplit(
    t,
    { users: 90, next: 10 },
    { both: { affinity: 'header:x-client' } },
  )
  const clients = Array.from({ length: 200 }, (_, i) => ({ 'x-client': `c${i}` }))
  const first = await poolsOf(ask, clients)
  assert.deepEqual(await poolsOf(ask, clients), first)
  assert.ok(first.includes('next'))
  await split({ users: 50, next: 50 })
  const second = await poolsOf(ask, clients)
  assert.deepEqual(await poolsOf(ask, clients), second)
  for (const [i, pool] of first.entries()) if (pool === 'next') assert.equal(second[i], 'next')
  assert.ok(second.filter((pool) => pool === 'next').length > first.filter((pool) => pool === 'next').length)
  await split({ users: 90, next: 10 })
  assert.deepEqual(await poolsOf(ask, clients), first)
  await split({ users: 90, next: 0 })
  assert.deepEqual(new Set(await poolsOf(ask, clients)), new Set(['users']))
})

test('the address of the client', async (t) => {
  const { ask } = await openSplit(
    t,
    { users: 50, next: 50 },
    { both: { affinity: 'ip', trustProxy: ['127.0.0.1'] } },
  )
  const clients = Array.from({ length: 100 }, (_, i) => ({ 'x-forwarded-for': `10.0.0.${i}` }))
  const first = await poolsOf(ask, clients)
  assert.equal(new Set(first).size, 2)
  assert.deepEqual(await poolsOf(ask, clients), first)
})

for (const [title, settings] of [
  ['a cookie', { both: { affinity: 'cookie' } }],
  ['a cookie of the first pool only', { users: { affinity: 'cookie' } }],
  ['a cookie of the second pool only', { next: { affinity: 'cookie' } }],
  ['cookies of other secrets', { both: { affinity: 'cookie' }, next: { affinitySecret: '${SECRET}' } }],
] as const)
  test(`${title}: a client keeps the pool that answered it first, as long as it has a weight`, async (t) => {
    const { ask, split, stable, canary } = await openSplit(t, { users: 60, next: 40 }, settings)
    const replies = await Promise.all(Array.from({ length: 60 }, () => ask()))
    const clients = replies.map((reply) => ({ cookie: cookieOf(reply) as string }))
    const first = replies.map(({ text }) => text)
    assert.equal(new Set(first).size, 2)
    for (const { cookie } of clients) assert.match(cookie, /^leastwise=/)
    assert.deepEqual(await poolsOf(ask, clients), first)
    await split({ users: 99, next: 1 })
    assert.deepEqual(await poolsOf(ask, clients), first)
    for (const { headers } of [...stable.seen, ...canary.seen]) assert.equal(headers.cookie, undefined)
    await split({ users: 100, next: 0 })
    assert.deepEqual(new Set(await poolsOf(ask, clients)), new Set(['users']))
    await split({ users: 1, next: 99 })
    assert.deepEqual(await poolsOf(ask, clients), first)
  })

test('a pool without a usable backend: the others answer its requests until it is back', async (t) => {
  const { gateway, ask, canary } = await openSplit(
    t,
    { users: 50, next: 50 },
    { both: { affinity: 'header:x-client', ejectMaxPercent: 100 } },
  )
  const clients = Array.from({ length: 50 }, (_, i) => ({ 'x-client': `c${i}` }))
  const first = await poolsOf(ask, clients)
  const { registry } = gateway.pool('next')
  const id = registry.list()[0]?.id as string
  registry.setHealth(id, 'unhealthy')
  assert.deepEqual(new Set(await poolsOf(ask, clients)), new Set(['users']))
  registry.setHealth(id, 'healthy')
  assert.deepEqual(await poolsOf(ask, clients), first)
  // A backend that is gone fails requests until it is ejected.
  await canary.close()
  const statuses = new Set<number>()
  for (let i = 0; i < 60; i++) statuses.add((await ask({ 'x-client': `c${i}` })).status)
  const after = await Promise.all(clients.map((headers) => ask(headers)))
  assert.deepEqual(new Set(after.map(({ status }) => status)), new Set([200]))
})

test("a route's own time for hedges", async (t) => {
  const slow = await new TestBackend((_request, response) => {
    // Only the first of them answers late.
    if (slow.total > 1) response.end('slow')
    else setTimeout(() => response.end('slow'), 60_000).unref()
  }).listen()
  const fast = await named(t, 'fast')
  t.after(() => slow.close())
  const backends = [{ url: slow.url, weight: 100 }, fast.url]
  const gateway = await openFileGateway(t, {
    pools: { users: { backends, hedgeBudget: 100 } },
    routes: [{ name: 'hedged', match: { path: '/' }, pool: 'users', hedge: 20 }],
  })
  assert.equal((await call(gateway.url)).text, 'fast')
  assert.equal(gateway.pool('users').hedging.sent, 1)
})
