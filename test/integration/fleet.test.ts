import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { SettingError } from '../../src/config/setting-error.js'
import { answering } from '../support/backend.js'
import { type Gateway, openGateway } from '../support/gateway.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'
import { until } from '../support/until.js'

test('A change at one gateway is in force at the other', { skip: withoutRedis }, async (t) => {
  const store = await RedisServer.start(t)
  const backends = ['http://127.0.0.1:9']
  const one = await openGateway(backends, { STORE: store.url })
  t.after(() => one.close())
  const other = await openGateway(backends, { STORE: store.url })
  t.after(() => other.close())
  const drained = once(other.balancer.registry, 'draining')
  one.balancer.registry.drain('127.0.0.1-9')
  await drained
  assert.equal(other.backend().state, 'draining')
  const added = once(one.balancer.registry, 'added')
  other.balancer.registry.add({ url: 'http://127.0.0.1:10', weight: 3 })
  await added
  assert.equal(one.backend(1).weight, 3)
})

test('A gateway sees what the other has in flight', { skip: withoutRedis }, async (t) => {
  const store = await RedisServer.start(t)
  const backend = await answering()
  t.after(() => backend.close())
  const gateways = [
    await openGateway([backend], { STORE: store.url }),
    await openGateway([backend], { STORE: store.url }),
  ]
  for (const gateway of gateways) t.after(() => gateway.close())
  const [one, other] = gateways as [Gateway, Gateway]
  const lease = one.balancer.acquire()
  await until(
    () => other.backend().inFlightElsewhere,
    (seen) => seen > 0,
  )
  lease.release('cancelled')
  await until(
    () => other.backend().inFlightElsewhere,
    (seen) => seen === 0,
  )
})

test('A wrong STORE is refused, without its password', async () => {
  await assert.rejects(openGateway([], { STORE: 'redis://user:secret@host:port' }), (error) => {
    assert.ok(error instanceof SettingError)
    assert.match(error.message, /^STORE /)
    assert.doesNotMatch(error.message, /secret|user/)
    return true
  })
})
