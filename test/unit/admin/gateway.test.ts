import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import Fastify, { type InjectOptions } from 'fastify'
import { adminRoutes } from '../../../routes/admin.js'
import { mistakeExample } from '../../../src/admin/contract/config.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import { EventReader } from '../../support/events.js'
import { ScriptedControl } from '../../support/gateway-control.js'

const headers = { host: 'localhost' }

function pool(name: string) {
  return new Balancer({ backends: [{ url: `http://${name}:1`, id: name }] })
}

async function gateway(t: TestContext, ...names: string[]) {
  const pools = new Map(names.map((name) => [name, pool(name)]))
  const control = new ScriptedControl()
  const app = Fastify()
  t.after(() => app.close())
  await app.register(adminRoutes, { pools, token: undefined, control })
  const call = async (method: 'GET' | 'POST', url: string, payload?: object) => {
    const request: InjectOptions = { method, url, headers, ...(payload && { payload }) }
    const { statusCode, body } = await app.inject(request)
    return { status: statusCode, body: JSON.parse(body) }
  }
  const listen = () => app.listen({ port: 0, host: '127.0.0.1' })
  return { pools, control, call, listen, app }
}

test('the configuration is read, and loaded again', async (t) => {
  const { control, call } = await gateway(t, 'users')
  assert.deepEqual((await call('GET', '/config')).body, control.config())
  const reloaded = await call('POST', '/config/reload')
  assert.deepEqual(
    [reloaded.status, reloaded.body],
    [200, { changes: [{ kind: 'added', what: 'pool', name: 'orders' }] }],
  )
})

test('a file that is not taken is answered with every mistake', async (t) => {
  const { control, call } = await gateway(t, 'users')
  const nowhere = { ...mistakeExample, line: null, column: null, path: '', message: 'port 80 is taken' }
  control.mistakes = [mistakeExample, nowhere]
  const { status, body } = await call('POST', '/config/reload')
  assert.deepEqual([status, body.code, body.mistakes], [400, 'LEASTWISE_INVALID_CONFIG', control.mistakes])
  assert.match(body.message, /gateway\.yaml:12:7 routes\[0\]\.pool: .*, and 1 more$/)
  control.mistakes = [nowhere]
  const { body: other } = await call('POST', '/config/reload')
  assert.equal(other.message, 'the file was not taken: gateway.yaml port 80 is taken')
  control.hasFile = false
  const none = await call('POST', '/config/reload')
  assert.deepEqual([none.status, none.body.code], [409, 'LEASTWISE_NO_CONFIG_FILE'])
  assert.equal('mistakes' in none.body, false)
})

test('routes are listed, and read by name', async (t) => {
  const { control, call } = await gateway(t, 'users')
  const [route] = control.routes()
  assert.ok(route)
  control.list = [route, { ...route, name: 'a/b c' }]
  assert.deepEqual((await call('GET', '/routes')).body, { routes: control.list })
  assert.equal((await call('GET', '/routes/a%2Fb%20c')).body.name, 'a/b c')
  const none = await call('GET', '/routes/nowhere')
  assert.deepEqual([none.status, none.body.code], [404, 'LEASTWISE_ROUTE_NOT_FOUND'])
})

test('a request to explain is checked before it is explained', async (t) => {
  const { call } = await gateway(t, 'users')
  assert.equal((await call('POST', '/routes/explain', { path: '/' })).body.outcome, 'refused')
  for (const [body, message] of [
    [{}, 'body lacks path'],
    [{ path: 'users' }, 'body.path must be a path that begins with a slash, with its query'],
    [{ path: '/', method: 'get' }, 'body.method must be a method in capitals'],
    [{ path: '/', cookie: 'a' }, 'body has unknown fields: cookie'],
  ] as const) {
    const { status, body: answer } = await call('POST', '/routes/explain', body)
    assert.deepEqual([status, answer.message], [400, message])
  }
})

test('an app with the plugin has no call about a gateway', async (t) => {
  const app = Fastify()
  t.after(() => app.close())
  await app.register(adminRoutes, { pools: new Map([['users', pool('users')]]), token: undefined })
  for (const url of ['/config', '/routes', '/routes/users'])
    assert.equal((await app.inject({ url, headers })).statusCode, 404, url)
  const { paths, tags } = (await app.inject({ url: '/openapi.json', headers })).json()
  assert.equal('/routes' in paths, false)
  assert.equal(
    tags.some(({ name }: { name: string }) => name === 'Gateway'),
    false,
  )
})

test('a gateway is ready while one of its pools is, and each pool says so itself', async (t) => {
  const { pools, call } = await gateway(t, 'users', 'orders')
  const [users, orders] = [...pools.values()] as [Balancer, Balancer]
  users.registry.drain('users')
  assert.equal((await call('GET', '/readyz')).status, 200)
  const one = await call('GET', '/pools/users/readyz')
  assert.deepEqual([one.status, one.body.message], [503, 'no usable backend'])
  assert.equal((await call('GET', '/pools/orders/readyz')).status, 200)
  orders.registry.drain('orders')
  const none = await call('GET', '/readyz')
  assert.deepEqual([none.status, none.body.message], [503, 'no usable backend'])
  users.registry.activate('users')
  orders.startClosing()
  const closing = await call('GET', '/readyz')
  assert.deepEqual([closing.status, closing.body.message], [503, 'shutting down'])
})

test('pools that come with a reload are served, with their changes from then on, and those that go are not', async (t) => {
  const { pools, control, call, listen } = await gateway(t, 'users', 'orders')
  const url = await listen()
  const users = await EventReader.open(`${url}/pools/users/events`)
  const orders = await EventReader.open(`${url}/pools/orders/events`)
  t.after(() => users.close())
  await users.next('snapshot')
  await orders.next('snapshot')
  const shop = pool('shop')
  pools.delete('orders')
  pools.set('shop', shop)
  await control.reload()
  assert.equal(await orders.end(), true)
  assert.equal((await call('GET', '/pools/orders/backends')).status, 404)
  const { data } = await users.next('change')
  const change = { kind: 'added', what: 'pool', name: 'orders' }
  assert.deepEqual(
    [data.type, data.backend, data.reload],
    ['reload', null, { changes: [change], changed: 1, mistakes: 0 }],
  )
  // Nobody reads the events of the new pool yet.
  shop.registry.drain('shop')
  const late = await EventReader.open(`${url}/pools/shop/events`, { 'last-event-id': '0' })
  t.after(() => late.close())
  assert.deepEqual(
    [(await late.next('change')).data.type, (await late.next('change')).data.type],
    ['reload', 'draining'],
  )
  control.mistakes = [mistakeExample]
  await assert.rejects(control.reload())
  assert.deepEqual((await users.next('change')).data.reload, { changes: [], changed: 0, mistakes: 1 })
})

test('an API that has closed asks for no further reload', async (t) => {
  const { control, app } = await gateway(t, 'users')
  assert.equal(control.listeners.size, 1)
  await app.close()
  assert.equal(control.listeners.size, 0)
})
