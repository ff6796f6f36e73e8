import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { systemClock } from '../../src/balancer/time/clock.js'
import { RedisConnection, StoreAwayError } from '../../src/stores/redis/connection.js'
import { Script } from '../../src/stores/redis/script.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'

const add = new Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")

test('A connection runs scripts, and hears messages', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  const connection = await RedisConnection.open(server.url, systemClock)
  t.after(() => connection.close())
  const heard = new Promise((resolve) => connection.subscribe('news', resolve))
  await once(connection, 'back')
  assert.equal(await connection.run(add, ['n'], [2]), 2)
  assert.equal(await connection.run(add, ['n'], [3]), 5)
  assert.ok(Math.abs(connection.now() - Date.now()) < 1000)
  connection.publish('news', 'all is well')
  assert.equal(await heard, 'all is well')
})

test('A store that was killed is away until it is there again', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  const connection = await RedisConnection.open(server.url, systemClock)
  t.after(() => connection.close())
  const messages: string[] = []
  connection.subscribe('news', (message) => messages.push(message))
  await once(connection, 'back')
  const away = once(connection, 'away')
  await server.kill()
  await away
  await assert.rejects(connection.run(add, ['n'], [1]), StoreAwayError)
  const back = once(connection, 'back')
  await server.start()
  await back
  assert.equal(await connection.run(add, ['n'], [1]), 1)
  const heard = new Promise((resolve) => connection.subscribe('news', resolve))
  connection.publish('news', 'again')
  assert.equal(await heard, 'again')
  assert.deepEqual(messages, ['again'])
})
