import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryCounter } from '../../../src/limits/memory-counter.js'
import { TestClock } from '../../support/clock.js'

const WINDOW = 60_000

function counterOf(maxKeys?: number) {
  const clock = new TestClock()
  const counter = new MemoryCounter({ clock, ...(maxKeys && { maxKeys }) })
  return { clock, counter, count: (key: string) => counter.increment(key, WINDOW).current }
}

test('a window begins with its first request, and the next with the first after its end', () => {
  const { clock, counter } = counterOf()
  assert.deepEqual(counter.increment('a', WINDOW), { current: 1, ttl: WINDOW })
  clock.pass(20_000)
  assert.deepEqual(counter.increment('a', WINDOW), { current: 2, ttl: 40_000 })
  assert.deepEqual(counter.increment('b', WINDOW), { current: 1, ttl: WINDOW })
  clock.pass(39_999)
  assert.deepEqual(counter.increment('a', WINDOW), { current: 3, ttl: 1 })
  clock.pass(1)
  assert.deepEqual(counter.increment('a', WINDOW), { current: 1, ttl: WINDOW })
})

test('keys whose window is over go while others are counted', () => {
  const { clock, counter, count } = counterOf()
  for (let i = 0; i < 1000; i++) count(`key ${i}`)
  assert.equal(counter.size, 1000)
  clock.pass(WINDOW)
  for (let i = 0; i < 600; i++) count('another')
  assert.equal(counter.size, 1)
  assert.equal(count('another'), 601)
})

test('a flood of keys takes no more memory, and does not reset who is near the limit', () => {
  const { counter, count } = counterOf(1000)
  for (let i = 0; i < 90; i++) count('busy')
  for (let i = 0; i < 20_000; i++) count(`flood ${i}`)
  assert.equal(counter.size, 1000)
  assert.equal(count('busy'), 91)
  // Keys of the flood that come twice are kept before those that came once, and both go before the busy one.
  for (let i = 0; i < 20_000; i++) {
    count(`second ${i}`)
    count(`second ${i}`)
  }
  assert.equal(counter.size, 1000)
  assert.equal(count('busy'), 92)
})

test('a table of few keys holds the last of them', () => {
  const { counter, count } = counterOf(1)
  assert.deepEqual([count('a'), count('a'), count('b'), count('b'), count('a')], [1, 2, 1, 2, 1])
  assert.equal(counter.size, 1)
})
