import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestartDelays } from '../../../src/gateway/workers/restart-delays.js'
import { TestClock } from '../../support/clock.js'

test('a worker is started again at once, and later and later where it ends again and again', () => {
  const clock = new TestClock()
  const delays = new RestartDelays(clock)
  const next = () => {
    const delay = delays.next(0)
    clock.pass(delay)
    return delay
  }
  assert.deepEqual(Array.from({ length: 9 }, next), [0, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
  // After a minute without an end it begins anew.
  clock.pass(59_999)
  assert.equal(next(), 30_000)
  clock.pass(60_000)
  assert.deepEqual([next(), next()], [0, 500])
})

test('workers that end together are all started again at once', () => {
  const delays = new RestartDelays(new TestClock())
  assert.deepEqual(
    [0, 1, 2, 0].map((worker) => delays.next(worker)),
    [0, 0, 0, 500],
  )
})
