import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RedisCounter } from '../../../src/stores/redis/rate-limits.js'

const WINDOW = 60_000
const key = (name: string) => `{test}:${name}`

/** A connection that counts as a server would, and notes what it is asked. */
function counting() {
  const asked: { keys: readonly string[]; args: readonly (string | number)[] }[] = []
  const counts = new Map<string, number>()
  const counter = new RedisCounter({
    key,
    run: async (_script, keys, args) => {
      asked.push({ keys, args })
      return keys.flatMap((key, i) => {
        counts.set(key, (counts.get(key) ?? 0) + 1)
        return [counts.get(key), Number(args[i])]
      })
    },
  })
  return { asked, counter }
}

test('requests of one turn of the event loop are counted in one round trip', async () => {
  const { asked, counter } = counting()
  const first = await Promise.all(['a', 'b', 'a'].map((key, i) => counter.increment(key, WINDOW + i)))
  assert.deepEqual(first, [
    { current: 1, ttl: WINDOW },
    { current: 1, ttl: WINDOW + 1 },
    { current: 2, ttl: WINDOW + 2 },
  ])
  assert.equal(asked.length, 1)
  assert.equal((await counter.increment('a', WINDOW)).current, 3)
  assert.equal(asked.length, 2)
})

test('a script counts no more than 500 requests, however many come', async () => {
  const { asked, counter } = counting()
  const counts = await Promise.all(Array.from({ length: 1201 }, () => counter.increment('a', WINDOW)))
  assert.deepEqual(
    counts.map(({ current }) => current),
    Array.from({ length: 1201 }, (_, i) => i + 1),
  )
  assert.deepEqual(
    asked.map(({ keys }) => keys.length),
    [500, 500, 201],
  )
})

test('the store sees hashes of clients, under its prefix, and of one length', async () => {
  const { asked, counter } = counting()
  await Promise.all([
    counter.increment('users\n100/60000\nv4 0a000001', WINDOW),
    counter.increment('k'.repeat(10_000), WINDOW),
  ])
  for (const key of asked[0]?.keys ?? []) assert.match(key, /^\{test\}:rate:[\w-]{22}$/)
  assert.equal(new Set(asked[0]?.keys).size, 2)
})

test('a store that fails, fails all requests of the turn, and none after it', async () => {
  const failures = [new Error('OOM command not allowed')]
  const counter = new RedisCounter({
    key,
    run: async () => {
      const failure = failures.shift()
      if (failure) throw failure
      return [1, 0]
    },
  })
  const failed = await Promise.allSettled([counter.increment('a', 1), counter.increment('b', 1)])
  for (const { status, reason } of failed as PromiseRejectedResult[])
    assert.deepEqual([status, reason.message], ['rejected', 'OOM command not allowed'])
  // A window in its last millisecond is not over.
  assert.deepEqual(await counter.increment('a', 1), { current: 1, ttl: 1 })
})
