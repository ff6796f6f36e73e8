import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { StoreConflictError, StoreOutcomeError } from '../../src/balancer/errors.js'
import type { PoolState, StoredState } from '../../src/balancer/state/store.js'
import { StoreAwayError } from '../../src/stores/redis/connection.js'
import { type RedisStore, redisStore } from '../../src/stores/redis/redis-store.js'
import { RedisServer, withoutRedis } from '../support/redis-server.js'

function stateWith(...ids: string[]): PoolState {
  return {
    version: 1,
    policy: { name: 'least-connections', configured: 'least-connections' },
    backends: ids.map((id) => ({
      url: `http://${id}.test`,
      id,
      weight: 1,
      state: 'active',
      addedAt: '2026-01-01T00:00:00.000Z',
    })),
    removed: [],
  }
}

function storeOf(t: TestContext, server: RedisServer): RedisStore {
  const store = redisStore(server.url)
  t.after(() => store.close())
  return store
}

const idsOf = (stored: StoredState | undefined) => stored?.state.backends.map(({ id }) => id)

test('Two stores have the same state, and one of two writers wins', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  const one = storeOf(t, server).forPool('users')
  const other = storeOf(t, server).forPool('users')
  assert.equal(await one.load(), undefined)
  const first = await one.save(stateWith('a'))
  assert.match(first, /^1-\w+$/)
  const loaded = await other.load()
  assert.equal(loaded?.revision, first)
  assert.deepEqual(loaded?.state, stateWith('a'))
  const changed = new Promise<void>((resolve) => one.watch(resolve))
  const second = await other.save(stateWith('a', 'b'), first)
  assert.match(second, /^2-\w+$/)
  await changed
  await assert.rejects(one.save(stateWith('c'), first), StoreConflictError)
  assert.deepEqual(idsOf(await one.load()), ['a', 'b'])
})

test('A pool does not hear of its own changes, but of a store that was emptied', {
  skip: withoutRedis,
}, async (t) => {
  const server = await RedisServer.start(t)
  const store = storeOf(t, server)
  const one = store.forPool('users')
  const other = store.forPool('other')
  await one.load()
  await other.load()
  let heard = 0
  one.watch(() => heard++)
  const emptied = new Promise<void>((resolve) => other.watch(resolve))
  await one.save(stateWith('a'))
  const revision = await other.save(stateWith('b'))
  assert.equal(heard, 0)
  await server.command('DEL', '{leastwise}:pool:other')
  await emptied
  assert.equal(heard, 0)
  assert.equal(await other.load(), undefined)
  assert.deepEqual(await other.restore(stateWith('b'), revision), { isWritten: true, revision })
  assert.deepEqual(idsOf(await other.load()), ['b'])
})

test('Of gateways that write a lost state again, the newest revision wins', {
  skip: withoutRedis,
}, async (t) => {
  const server = await RedisServer.start(t)
  const first = storeOf(t, server).forPool('users')
  const pools = [first, storeOf(t, server).forPool('users'), storeOf(t, server).forPool('users')]
  await Promise.all(pools.map((pool) => pool.load()))
  const restored = await Promise.all(
    pools.map((pool, i) => pool.restore(stateWith(`r${i}`), i === 0 ? '6-old' : '17-new')),
  )
  assert.equal(restored.slice(1).filter((one) => one.isWritten).length, 1)
  assert.equal((await first.load())?.revision, '17-new')
  assert.deepEqual(await first.restore(stateWith('x'), '17-other'), {
    isWritten: false,
    revision: '17-new',
  })
})

test('What somebody else has written is told with its key, and stays', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  const contents: [string, string[]][] = [
    ['a text', ['SET', 'hello']],
    ['no state', ['HSET', 'revision', '1-a']],
    ['no revision', ['HSET', 'state', '{"version":1,"x":1}']],
    ['no JSON', ['HSET', 'revision', '1-a', 'state', '{"version":2,']],
  ]
  for (const [name, [command = '', ...values]] of contents) {
    const pool = storeOf(t, server).forPool(name)
    await server.command(command, `{leastwise}:pool:${name}`, ...values)
    assert.match(pool.name, new RegExp(`\\{leastwise\\}:pool:${name}`))
    await assert.rejects(pool.load(), /another type|no state|no revision|not JSON/, name)
    await assert.rejects(pool.save(stateWith('a'), '1-a'), /did not write/, name)
    await assert.rejects(pool.save(stateWith('a')), /did not write/, name)
    await assert.rejects(pool.restore(stateWith('a'), '99-a'), /did not write/, name)
  }
})

test('A store that stands still does not carry out what was given up', { skip: withoutRedis }, async (t) => {
  const server = await RedisServer.start(t)
  const store = storeOf(t, server)
  const pool = store.forPool('users')
  await pool.load()
  const revision = await pool.save(stateWith('a'))
  const presence: boolean[] = []
  pool.onPresence((away) => presence.push(away === undefined))
  server.signal('SIGSTOP')
  const failure = await pool.save(stateWith('b'), revision).then(
    () => assert.fail(),
    (error) => error,
  )
  assert.ok(failure instanceof StoreOutcomeError)
  assert.equal(pool.isAway, true)
  await assert.rejects(pool.save(stateWith('c'), revision), StoreAwayError)
  const back = once(store.connection, 'back')
  server.signal('SIGCONT')
  await back
  assert.deepEqual(presence, [false, true])
  const loaded = await pool.load()
  assert.equal(loaded?.revision, revision)
  assert.notEqual(loaded?.revision, failure.revision)
  await pool.save(stateWith('d'), revision)
})
