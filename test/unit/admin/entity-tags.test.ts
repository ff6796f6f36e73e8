import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import Fastify, { type InjectOptions } from 'fastify'
import { adminRoutes } from '../../../routes/admin.js'
import { Balancer, openBalancer } from '../../../src/balancer/index.js'
import { SharedStore } from '../../support/shared-store.js'

const backends = ['http://10.0.0.1:1', { url: 'http://10.0.0.2:1', id: 'b' }]

async function admin(t: TestContext, balancer: Balancer) {
  const app = Fastify()
  await app.register(adminRoutes, { pools: new Map([['default', balancer]]), token: 't' })
  t.after(async () => {
    await app.close()
    await balancer.keeper?.close()
    balancer.close()
  })
  return async (method: InjectOptions['method'], url: string, payload?: object, ifMatch?: string) => {
    const authorization = 'Bearer t'
    const headers = { authorization, ...(ifMatch !== undefined && { 'if-match': ifMatch }) }
    const answer = await app.inject({ method, url, headers, ...(payload && { payload }) } as InjectOptions)
    const { code, message } = answer.body === '' ? ({} as Record<string, string>) : answer.json()
    return { status: answer.statusCode, etag: answer.headers.etag as string, code, message }
  }
}

test('a tag is that of the configuration: it changes with it, and not with counts and health', async (t) => {
  const balancer = new Balancer({ backends })
  const call = await admin(t, balancer)
  const tags = async () =>
    await Promise.all(
      ['/backends', '/backends/b', '/policy'].map(async (url) => (await call('GET', url)).etag),
    )
  const before = await tags()
  for (const tag of before) assert.match(tag, /^"[\w-]{22}"$/)
  assert.equal(new Set(before).size, 3)
  balancer.acquire()
  balancer.registry.setHealth('b', 'unhealthy')
  assert.deepEqual(await tags(), before)
  const patched = await call('PATCH', '/backends/b', { weight: 3 })
  const changed = await tags()
  assert.deepEqual(
    [patched.etag, changed.map((tag, i) => tag === before[i])],
    [changed[1], [false, false, true]],
  )
  await call('PATCH', '/backends/b', { weight: 1 })
  assert.deepEqual(await tags(), before)
  assert.equal((await call('PUT', '/policy', { policy: 'round-robin' })).etag, (await tags())[2])
  const added = await call('POST', '/backends', { url: 'http://10.0.0.3:1', id: 'c' })
  assert.equal(added.etag, (await call('GET', '/backends/c')).etag)
  for (const path of ['drain', 'activate']) {
    const answer = await call('POST', `/backends/c/${path}`, {})
    assert.equal(answer.etag, (await call('GET', '/backends/c')).etag, path)
  }
})

test('with If-Match a change is made only if nobody was faster', async (t) => {
  const balancer = new Balancer({ backends })
  const call = await admin(t, balancer)
  const { etag: list } = await call('GET', '/backends')
  const { etag } = await call('GET', '/backends/b')
  const { etag: policy } = await call('GET', '/policy')
  await call('PATCH', '/backends/b', { weight: 2 })
  const stale = [
    ['PATCH', '/backends/b', { weight: 9 }, etag],
    ['POST', '/backends/b/drain', {}, etag],
    ['POST', '/backends/b/activate', {}, etag],
    ['DELETE', '/backends/b', undefined, etag],
    ['DELETE', '/backends/b?force=true', undefined, etag],
    ['POST', '/backends', { url: 'http://10.0.0.3:1' }, list],
    ['PUT', '/policy', { policy: 'round-robin' }, list],
  ] as const
  for (const [method, url, body, tag] of stale) {
    const { status, code } = await call(method, url, body, tag)
    assert.deepEqual([status, code], [412, 'LEASTWISE_PRECONDITION_FAILED'], `${method} ${url}`)
  }
  const [, b] = balancer.registry.list()
  assert.deepEqual(
    [balancer.registry.size, b?.weight, b?.state, balancer.policy],
    [2, 2, 'active', 'least-connections'],
  )
  assert.equal((await call('PUT', '/policy', { policy: 'round-robin' }, policy)).status, 200)
  const { etag: now } = await call('GET', '/backends')
  assert.equal((await call('POST', '/backends', { url: 'http://10.0.0.3:1' }, now)).status, 201)
  assert.equal(
    (await call('DELETE', '/backends/b', undefined, (await call('GET', '/backends/b')).etag)).status,
    202,
  )
})

test('If-Match is read as RFC 9110 section 13.1.1 has it', async (t) => {
  const call = await admin(t, new Balancer({ backends }))
  const { etag } = await call('GET', '/backends/b')
  const statuses: [string, number][] = [
    ['*', 200],
    [' * ', 200],
    [etag, 200],
    [`"x", ${etag}`, 200],
    [`,"a,b" ,\t${etag},`, 200],
    [`W/${etag}`, 412],
    ['"x"', 412],
    ['""', 412],
    [`"x", W/${etag}`, 412],
    ['', 400],
    [',', 400],
    [etag.slice(1), 400],
    [etag.slice(0, -1), 400],
    [`*, ${etag}`, 400],
    [`w/${etag}`, 400],
    [`${etag} ${etag}`, 400],
    ['"a b"', 400],
  ]
  for (const [field, expected] of statuses) {
    const { status, code } = await call('PATCH', '/backends/b', { weight: 1 }, field)
    assert.equal(status, expected, JSON.stringify(field))
    if (status === 400) assert.equal(code, 'LEASTWISE_INVALID_REQUEST')
  }
  // What is not there is told as without a condition (section 13.2.1).
  assert.equal((await call('PATCH', '/backends/x', { weight: 1 }, '"x"')).status, 404)
  assert.equal((await call('PATCH', '/backends/b', {}, `${' ,\t'.repeat(2000)}x`)).status, 400)
})

test('gateways that share a store have the same tags, and the one that is slower is told', async (t) => {
  const shared = new SharedStore()
  const stores = [shared.gateway(), shared.gateway()] as const
  // Their configurations have another order.
  const orders = [backends, backends.toReversed()]
  const pools = await Promise.all(stores.map((store, i) => openBalancer({ backends: orders[i] }, store)))
  const [one, other] = (await Promise.all(pools.map((pool) => admin(t, pool)))) as [
    Awaited<ReturnType<typeof admin>>,
    Awaited<ReturnType<typeof admin>>,
  ]
  for (const url of ['/backends', '/backends/b', '/policy'])
    assert.equal((await one('GET', url)).etag, (await other('GET', url)).etag, url)
  const { etag } = await other('GET', '/backends/b')
  // The other one has not heard of the change when it is asked for its own.
  stores[1].isDeaf = true
  assert.equal((await one('PATCH', '/backends/b', { weight: 2 }, etag)).status, 200)
  assert.equal((await other('GET', '/backends/b')).etag, etag)
  assert.equal((await other('PATCH', '/backends/b', { weight: 3 }, etag)).status, 412)
  assert.equal((await other('GET', '/backends/b')).etag, (await one('GET', '/backends/b')).etag)
  stores[1].isDeaf = false
  const wanted = (await one('GET', '/policy')).etag
  const answers = await Promise.all([
    one('PUT', '/policy', { policy: 'round-robin' }, wanted),
    other('PUT', '/policy', { policy: 'power-of-two' }, wanted),
  ])
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 412])
  await setImmediate()
  stores[0].leave()
  const refused = await one('POST', '/backends/b/drain', {})
  assert.deepEqual([refused.status, refused.code], [503, 'LEASTWISE_STATE_NOT_SAVED'])
  assert.match(refused.message as string, /^nothing was changed/)
})
