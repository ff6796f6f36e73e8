import assert from 'node:assert/strict'
import { on, once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as pass } from 'node:timers/promises'
import { systemClock } from '../../src/balancer/time/clock.js'
import { RedisConnection } from '../../src/stores/redis/connection.js'
import { redisStore } from '../../src/stores/redis/redis-store.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'
import { said, startStoreProcess } from '../support/store-processes.js'
import { TcpProxy } from '../support/tcp-proxy.js'

/** Milliseconds of each way to the store. */
const WAY = 500

const state = {
  version: 1,
  policy: { name: 'least-connections', configured: 'least-connections' },
  backends: [],
  removed: [],
} as const

test('A store behind a slow link works, and is never away', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  const proxy = await TcpProxy.start(t, server.port)
  proxy.delay = WAY
  const store = redisStore(proxy.url)
  t.after(() => store.close())
  const events: string[] = []
  store.connection.on('away', ({ why }) => events.push(why))
  store.connection.on('missed', () => events.push('missed'))
  const pool = store.forPool('users')
  assert.equal(await pool.load(), undefined)
  assert.ok(Math.abs(store.connection.now() - Date.now()) < WAY)
  const empty = { ...state, backends: [], removed: [] }
  const first = await pool.save(empty)
  await server.command('SCRIPT', 'FLUSH')
  const second = await pool.save(empty, first)
  await Promise.all(Array.from({ length: 50 }, () => pool.load()))
  await pass(10_000)
  assert.equal((await pool.load())?.revision, second)
  assert.deepEqual(events, [])
})

test('A server that accepts and says nothing is away, and is used once it speaks', {
  skip: withoutRedis,
}, async (t) => {
  const server = await RedisServer.start(t)
  const proxy = await TcpProxy.start(t, server.port)
  proxy.isHole = true
  const connection = await RedisConnection.open(proxy.url, systemClock)
  t.after(() => connection.close())
  const back = new Promise<void>((resolve) => connection.once('back', resolve))
  await assert.rejects(connection.ready(), /did not answer/)
  proxy.isHole = false
  await back
})

test('A process that was stopped knows the time of its store, and does not take it for away', {
  skip: withoutRedis,
}, async (t) => {
  const server = await RedisServer.start(t)
  const child = await startStoreProcess(t, server.url)
  await said(child, 'back')
  child.send('time')
  await once(child, 'message')
  child.kill('SIGSTOP')
  // Longer than the store may take to answer.
  await pass(2500)
  const after: { isAway: boolean; ahead: number }[] = []
  child.kill('SIGCONT')
  for await (const [what] of on(child, 'message')) {
    after.push(what)
    if (after.length === 60) break
  }
  for (const one of after) assert.ok(Math.abs(one.ahead) < 500 && !one.isAway, JSON.stringify(one))
})
