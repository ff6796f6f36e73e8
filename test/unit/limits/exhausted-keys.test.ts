import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExhaustedKeys } from '../../../src/limits/exhausted-keys.js'

test('a key is exhausted until its window ends', () => {
  const keys = new ExhaustedKeys()
  keys.add('a', { current: 6, ttl: 100 }, 1000)
  assert.deepEqual(keys.of('a', 5, 1000), { current: 6, ttl: 100 })
  assert.deepEqual(keys.of('a', 5, 1099), { current: 6, ttl: 1 })
  assert.equal(keys.of('b', 5, 1000), undefined)
  assert.equal(keys.of('a', 5, 1100), undefined)
  assert.equal(keys.size, 0)
})

test('a flood of keys takes no more memory, and the oldest go first', () => {
  const keys = new ExhaustedKeys()
  for (let i = 0; i < 25_000; i++) keys.add(`key ${i}`, { current: 2, ttl: 1000 }, 0)
  assert.equal(keys.size, 10_000)
  assert.equal(keys.of('key 14999', 1, 0), undefined)
  assert.deepEqual(keys.of('key 15000', 1, 0), { current: 2, ttl: 1000 })
})
