import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify, { type InjectOptions } from 'fastify'
import { adminRoutes } from '../../../routes/admin.js'
import { Balancer } from '../../../src/balancer/balancer.js'

const headers = { host: 'localhost' }

async function admin(...names: string[]) {
  const pools = new Map(names.map((name) => [name, new Balancer({ backends: [`http://${name}:1`] })]))
  const app = Fastify()
  await app.register(adminRoutes, { pools, token: undefined, prefix: '/admin' })
  const call = async (method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, payload?: object) => {
    const request: InjectOptions = { method, url: `/admin${url}`, headers, ...(payload && { payload }) }
    const { statusCode, body, headers: fields } = await app.inject(request)
    return { status: statusCode, body: body === '' ? null : JSON.parse(body), location: fields.location }
  }
  return { pools, call }
}

test('a path that names a pool reads and changes that pool, and no other', async () => {
  const { pools, call } = await admin('default', 'users')
  const [first, users] = [...pools.values()] as [Balancer, Balancer]
  const added = await call('POST', '/pools/users/backends', { url: 'http://10.0.0.9:1', id: 'nine' })
  assert.deepEqual([added.status, added.location], [201, '/admin/pools/users/backends/nine'])
  assert.equal((await call('GET', added.location?.toString().slice('/admin'.length) ?? '')).body.id, 'nine')
  await call('PUT', '/pools/users/policy', { policy: 'round-robin' })
  assert.equal((await call('POST', '/pools/users/backends/nine/drain', {})).status, 202)
  assert.deepEqual([first.registry.size, users.registry.size], [1, 2])
  assert.equal(users.registry.get('nine').state, 'draining')
  assert.deepEqual([first.policy, users.policy], ['least-connections', 'round-robin'])
  assert.equal((await call('DELETE', '/pools/users/backends/users-1?force=true')).status, 204)
  assert.equal((await call('GET', '/pools/users/readyz')).status, 503)
  assert.equal((await call('GET', '/pools/default/readyz')).status, 200)
})

test('without a name a call is for the pool `default`, or the only one', async () => {
  const several = await admin('users', 'default')
  assert.equal((await several.call('GET', '/backends')).body.backends[0].url, 'http://default:1')
  const only = await admin('users')
  assert.equal((await only.call('GET', '/backends')).body.backends[0].url, 'http://users:1')
})

test('where several pools are there and none is `default`, the path has to name one', async () => {
  const { call } = await admin('users', 'orders')
  const { status, body } = await call('GET', '/backends')
  assert.deepEqual(
    [status, body.code, body.message],
    [404, 'LEASTWISE_POOL_NOT_FOUND', 'there are several pools, so the path has to name one: /pools/users/…'],
  )
  assert.equal((await call('GET', '/pools/orders/backends')).status, 200)
})

test('the pools are listed, and one that is not there is said to be missing', async () => {
  const { call } = await admin('default', 'users')
  const { body } = await call('GET', '/pools')
  assert.deepEqual(
    body.pools.map(({ name, backends }: { name: string; backends: number }) => [name, backends]),
    [
      ['default', 1],
      ['users', 1],
    ],
  )
  assert.equal((await call('GET', '/pools/users')).body.name, 'users')
  for (const path of ['', '/backends', '/policy', '/pool', '/readyz', '/events', '/decisions']) {
    const { status, body } = await call('GET', `/pools/nobody${path}`)
    assert.deepEqual([status, body.code], [404, 'LEASTWISE_POOL_NOT_FOUND'], path)
  }
})
