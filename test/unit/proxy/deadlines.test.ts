import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deadlines } from '../../../src/proxy/upstream/deadlines/deadlines.js'
import { TestClock } from '../../support/clock.js'

test('a deadline that is used again reaches its new owner only, and at the new time', () => {
  const clock = new TestClock()
  const deadlines = new Deadlines(clock)
  const reached: string[] = []
  const first = deadlines.take(() => reached.push('first'))
  first.set(100)
  deadlines.giveBack(first)
  clock.pass(50)
  const second = deadlines.take(() => reached.push('second'))
  assert.equal(second, first)
  second.set(200)
  assert.equal(clock.pending, 1, 'with the timer that it has')
  clock.pass(60)
  assert.deepEqual(reached, [])
  clock.pass(140)
  assert.deepEqual(reached, ['second'])
})

test('one that nobody uses does nothing when its timer fires, and a shorter time than before is kept', () => {
  const clock = new TestClock()
  const deadlines = new Deadlines(clock)
  const reached: string[] = []
  const one = deadlines.take(() => reached.push('one'))
  one.set(1000)
  deadlines.giveBack(one)
  const other = deadlines.take(() => reached.push('other'))
  other.set(10)
  clock.pass(10)
  assert.deepEqual(reached, ['other'])
  deadlines.giveBack(other)
  clock.pass(5000)
  assert.deepEqual(reached, ['other'])
})

test('closing leaves no timer', () => {
  const clock = new TestClock()
  const deadlines = new Deadlines(clock)
  const many = Array.from({ length: 1100 }, () => deadlines.take(() => assert.fail('reached')))
  for (const one of many) one.set(100)
  for (const one of many) deadlines.giveBack(one)
  assert.equal(clock.pending, 1000, 'more than so many are not kept')
  deadlines.close()
  assert.equal(clock.pending, 0)
})
