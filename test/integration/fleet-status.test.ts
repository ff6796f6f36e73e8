import assert from 'node:assert/strict'
import { test } from 'node:test'
import Fastify from 'fastify'
import leastwise, { redisStore } from '../../src/index.js'
import { callJson } from '../support/client.js'
import { parseExposition } from '../support/exposition.js'
import { type GatewayProcess, startGateway } from '../support/process.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'
import { until } from '../support/until.js'

interface Listed {
  id: string
  inFlight: number
  self: boolean
}

const idsOf = async (admin: string, headers = {}) => {
  const { json } = await callJson('GET', `${admin}/gateways`, undefined, headers)
  return (json.gateways as Listed[]).map(({ id, self }) => (self ? `${id} (asked)` : id))
}

test('gateways and an app that share a store are listed at each, and leave when they end', {
  skip: withoutRedis,
}, async (t) => {
  const store = await RedisServer.start(t)
  const start = async (id: string) => {
    const gateway = await startGateway({ STORE: store.url, GATEWAY_ID: id, BACKENDS: 'http://127.0.0.1:9' })
    t.after(() => gateway.stop('SIGKILL'))
    return gateway
  }
  const [one, two] = (await Promise.all([start('one'), start('two')])) as [GatewayProcess, GatewayProcess]
  const app = Fastify()
  t.after(() => app.close())
  await app.register(leastwise, {
    store: redisStore(store.url, { id: 'app' }),
    backends: ['http://127.0.0.1:9'],
    admin: { token: 's3cret' },
  })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const authorization = { authorization: 'Bearer s3cret' }
  const complete = (ids: string[]) => ids.length === 3
  assert.deepEqual(await until(() => idsOf(one.admin), complete), ['one (asked)', 'app', 'two'])
  assert.deepEqual(await until(() => idsOf(two.admin), complete), ['two (asked)', 'app', 'one'])
  assert.deepEqual(await until(() => idsOf(`${url}/admin`, authorization), complete), [
    'app (asked)',
    'one',
    'two',
  ])
  assert.equal(await two.stop(), 0)
  await app.close()
  assert.deepEqual(
    await until(
      () => idsOf(one.admin),
      (ids) => ids.length === 1,
    ),
    ['one (asked)'],
  )
  await one.stop()
  const lines = one.lines.filter(({ event }) => event === 'gateway left')
  assert.deepEqual(lines.map(({ level, gateway }) => [level, gateway]).sort(), [
    [30, 'app'],
    [30, 'two'],
  ])
})

test('a gateway whose store is away stays ready, and says so everywhere', {
  skip: withoutRedis,
}, async (t) => {
  const store = await RedisServer.start(t)
  const gateway = await startGateway({ STORE: store.url, GATEWAY_ID: 'one', BACKENDS: 'http://127.0.0.1:9' })
  t.after(() => gateway.stop('SIGKILL'))
  const get = async (path: string) => (await callJson('GET', `${gateway.admin}${path}`)).json
  const metric = async (name: string) => {
    const page = await (await fetch(`${gateway.admin}/metrics`)).text()
    return parseExposition(page).sum(name)
  }
  assert.deepEqual((await get('/pool')).store, { name: store.url, away: false, awaySince: null })
  assert.deepEqual(await get('/readyz'), { status: 'ready' })
  assert.deepEqual([await metric('leastwise_store_up'), await metric('leastwise_gateways')], [1, 1])
  await store.kill()
  const away = await until(
    async () => (await get('/pool')).store,
    (view) => view.away,
  )
  assert.ok(Date.parse(away.awaySince) <= Date.now())
  assert.deepEqual(await get('/readyz'), { status: 'ready', store: 'away' })
  assert.deepEqual(await idsOf(gateway.admin), ['one (asked)'])
  assert.equal(await metric('leastwise_store_up'), 0)
  await store.start()
  await until(
    async () => (await get('/pool')).store,
    (view) => !view.away,
  )
  assert.equal(await metric('leastwise_store_failures_total'), 1)
  assert.ok((await metric('leastwise_store_away_seconds_total')) > 0)
  await gateway.stop()
  const lines = gateway.lines.filter(({ event }) => /^store /.test(String(event)))
  assert.deepEqual(
    lines.map(({ level, event, store: name, pool }) => [level, event, name, pool]),
    [
      [40, 'store away', store.url, undefined],
      [30, 'store back', store.url, undefined],
    ],
  )
})
