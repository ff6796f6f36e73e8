import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deadline, DeadlinePool } from '../../../src/proxy/upstream/deadline.js'
import { TestClock } from '../../support/clock.js'

function started() {
  const clock = new TestClock()
  const at: number[] = []
  return { clock, at, deadline: new Deadline(clock, () => at.push(clock.now())) }
}

test('it is reached once, when it is due', () => {
  const { clock, at, deadline } = started()
  deadline.set(100)
  clock.pass(99)
  assert.deepEqual(at, [])
  clock.pass(500)
  assert.deepEqual(at, [100])
})

test('it can be put off, with one timer, and brought forward', () => {
  const { clock, at, deadline } = started()
  deadline.set(100)
  for (let i = 0; i < 10; i++) {
    clock.pass(50)
    deadline.set(100)
    assert.equal(clock.pending, 1)
  }
  clock.pass(60)
  deadline.set(20)
  clock.pass(100)
  assert.deepEqual(at, [580])
})

test('0 is never, and so is one that was cleared', () => {
  const { clock, at, deadline } = started()
  deadline.set(0)
  deadline.set(100)
  deadline.set(0)
  clock.pass(1000)
  deadline.set(100)
  deadline.clear()
  clock.pass(1000)
  assert.deepEqual([at, clock.pending], [[], 0])
  deadline.set(100)
  clock.pass(1000)
  assert.deepEqual(at, [2100])
})

test('a timer that is late because nothing ran meanwhile lets what arrived be looked at first', () => {
  let now = 0
  const timers: (() => void)[] = []
  const clock = {
    now: () => now,
    date: () => new Date(now),
    after(_delay: number, callback: () => void) {
      timers.push(callback)
      return () => void timers.splice(timers.indexOf(callback), 1)
    },
  }
  let reached = 0
  const deadline = new Deadline(clock, () => reached++)
  const fire = () => timers.shift()?.()
  deadline.set(100)
  now = 1600
  fire()
  assert.deepEqual([reached, timers.length], [0, 1])
  // There was something.
  deadline.set(100)
  fire()
  assert.deepEqual([reached, timers.length], [0, 1])
  now = 1700
  fire()
  assert.equal(reached, 1)
  deadline.set(100)
  now = 3000
  fire()
  assert.equal(reached, 1)
  now = 3010
  fire()
  assert.equal(reached, 2, 'there was nothing')
})

test('a deadline that is used again reaches its new owner only, and at the new time', () => {
  const clock = new TestClock()
  const pool = new DeadlinePool(clock)
  const reached: string[] = []
  const first = pool.take(() => reached.push('first'))
  first.set(100)
  pool.giveBack(first)
  clock.pass(50)
  const second = pool.take(() => reached.push('second'))
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
  const pool = new DeadlinePool(clock)
  const reached: string[] = []
  const one = pool.take(() => reached.push('one'))
  one.set(1000)
  pool.giveBack(one)
  const other = pool.take(() => reached.push('other'))
  other.set(10)
  clock.pass(10)
  assert.deepEqual(reached, ['other'])
  pool.giveBack(other)
  clock.pass(5000)
  assert.deepEqual(reached, ['other'])
})

test('closing leaves no timer', () => {
  const clock = new TestClock()
  const pool = new DeadlinePool(clock)
  const many = Array.from({ length: 1100 }, () => pool.take(() => assert.fail('reached')))
  for (const one of many) one.set(100)
  for (const one of many) pool.giveBack(one)
  assert.equal(clock.pending, 1000, 'more than so many are not kept')
  pool.close()
  assert.equal(clock.pending, 0)
})
