import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { TestBackend } from '../support/backend.js'
import { call, load } from '../support/client.js'
import { type GatewayProcess, startGateway } from '../support/process.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'

const LIMIT = 10
const CLIENTS = 60

test('three gateways together keep to the limit of a backend, also when one or the store is killed', {
  skip: withoutRedis,
}, async (t) => {
  let atOnce = 0
  let most = 0
  const backend = await new TestBackend((request, response) => {
    atOnce++
    most = Math.max(most, atOnce)
    request.resume()
    // Also where its gateway was killed.
    response.once('close', () => atOnce--)
    setTimeout(() => response.end('ok'), 20)
  }).listen()
  t.after(() => backend.close())
  const store = await RedisServer.start(t)
  const gateways = await Promise.all(
    ['a', 'b', 'c'].map((id) =>
      startGateway({
        STORE: store.url,
        GATEWAY_ID: id,
        BACKENDS: backend.url,
        MAX_CONNECTIONS: String(LIMIT),
        SLOW_START: '0',
        QUEUE_TIMEOUT: '20000',
        RETRIES: '0',
      }),
    ),
  )
  t.after(() => Promise.all(gateways.map((gateway) => gateway.stop('SIGKILL'))))
  const served = async (running: GatewayProcess[], during: () => Promise<unknown>) => {
    most = 0
    const stop = new AbortController()
    const loads = running.map(({ url }) => load(url, { concurrency: CLIENTS, stop: stop.signal }))
    await during()
    stop.abort()
    const results = await Promise.all(loads)
    const counts = results.map((statuses) => statuses.get(200) ?? 0)
    t.diagnostic(`at most ${most} at once; served by each: ${counts}`)
    for (const statuses of results) assert.deepEqual([...statuses.keys()], [200])
    for (const count of counts) assert.ok(count > CLIENTS)
  }

  const [a, b, c] = gateways as [GatewayProcess, GatewayProcess, GatewayProcess]
  // In the first seconds of a store's life requests wait, as nobody knows yet who has slots.
  await Promise.all(gateways.map(({ url }) => call(url)))
  await served(gateways, () => wait(2000))
  assert.equal(most, LIMIT)
  // What the killed one had is used again when its lease is over.
  await served([a, b], async () => {
    await c.stop('SIGKILL')
    await wait(6000)
    most = 0
    await wait(1000)
  })
  assert.equal(most, LIMIT)
  await served([a, b], async () => {
    await store.kill()
    await wait(2000)
  })
  assert.ok(most <= LIMIT, `${most} at once`)
})
