import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { PatientCounter } from '../../../src/limits/patient-counter.js'
import type { RateCount, RateLimitCounter } from '../../../src/limits/rate-limit-counter.js'
import { TestClock } from '../../support/clock.js'

function patient(increment: RateLimitCounter['increment']) {
  const clock = new TestClock()
  const notices: [message: string, requests: number][] = []
  const recoveries: number[] = []
  const counts: (number | undefined)[] = []
  const counter = new PatientCounter({
    counter: { increment },
    clock,
    patience: 100,
    onUncounted: (reason, requests) => notices.push([(reason as Error).message, requests]),
    onCounted: (requests) => recoveries.push(requests),
  })
  const ask = (key = 'a') => counter.increment(key, 1000, 10, (count) => counts.push(count?.current))
  return { clock, notices, recoveries, counts, ask }
}

test('a count that is there is handed on at once, without a timer', () => {
  const { clock, counts, ask } = patient(() => ({ current: 3, ttl: 1 }))
  ask()
  assert.deepEqual(counts, [3])
  assert.equal(clock.pending, 0)
})

test('a count that comes in time is handed on, one that is late is not waited for', async () => {
  const answers: ((count: RateCount) => void)[] = []
  const { clock, counts, notices, ask } = patient(() => new Promise((resolve) => answers.push(resolve)))
  ask()
  clock.pass(60)
  ask()
  ask()
  assert.equal(clock.pending, 1)
  answers[1]?.({ current: 2, ttl: 1 })
  await setImmediate()
  assert.deepEqual(counts, [2])
  clock.pass(40)
  assert.deepEqual(counts, [2, undefined])
  clock.pass(60)
  assert.deepEqual(counts, [2, undefined, undefined])
  for (const answer of answers) answer({ current: 9, ttl: 1 })
  await setImmediate()
  assert.deepEqual(counts, [2, undefined, undefined])
  assert.deepEqual(notices, [['the counter of rate limits did not answer within 100 ms', 1]])
  assert.equal(clock.pending, 0)
})

test('failures let requests pass, and are told about once in ten seconds', async () => {
  const { clock, counts, notices, ask } = patient(() => Promise.reject(new Error('gone')))
  for (let i = 0; i < 5; i++) ask()
  await setImmediate()
  assert.deepEqual(counts, Array(5).fill(undefined))
  assert.deepEqual(notices, [['gone', 1]])
  clock.pass(10_000)
  ask()
  await setImmediate()
  assert.deepEqual(notices[1], ['gone', 5])
  const throwing = patient(() => {
    throw new Error('broken')
  })
  throwing.ask()
  assert.deepEqual([throwing.counts, throwing.notices], [[undefined], [['broken', 1]]])
})

test('after a late answer no request waits, until an answer comes in time', async () => {
  const answers: ((count: RateCount) => void)[] = []
  const { clock, counts, notices, recoveries, ask } = patient(
    () => new Promise((resolve) => answers.push(resolve)),
  )
  ask()
  clock.pass(100)
  assert.deepEqual(counts, [undefined])
  // The first of these asks again, and none waits.
  for (let i = 0; i < 5; i++) ask()
  assert.deepEqual([counts.length, answers.length], [6, 2])
  assert.equal(clock.pending, 0)
  // An answer that is late shows nothing, and the counter is asked again only after a time.
  clock.pass(101)
  answers[0]?.({ current: 1, ttl: 1 })
  answers[1]?.({ current: 2, ttl: 1 })
  await setImmediate()
  for (let i = 0; i < 5; i++) ask()
  assert.deepEqual([counts.length, answers.length], [11, 3])
  answers[2]?.({ current: 3, ttl: 1 })
  await setImmediate()
  ask()
  answers[3]?.({ current: 4, ttl: 1 })
  await setImmediate()
  assert.deepEqual(counts, [...Array(11).fill(undefined), 4])
  assert.deepEqual([notices.length, recoveries], [1, []])
})

test('a counter that fails while it is late is asked again', async () => {
  const answers: Promise<RateCount>[] = [new Promise(() => {}), Promise.reject(new Error('gone'))]
  const { clock, counts, ask } = patient(() => answers.shift() ?? Promise.resolve({ current: 7, ttl: 1 }))
  ask()
  clock.pass(100)
  ask()
  await setImmediate()
  clock.pass(100)
  ask()
  await setImmediate()
  ask()
  await setImmediate()
  assert.deepEqual(counts, [undefined, undefined, undefined, 7])
})

test('that requests are counted again is told once, when none has failed for a second', async () => {
  let isBroken = true
  const { clock, notices, recoveries, ask } = patient(() => {
    if (isBroken) throw new Error('gone')
    return { current: 1, ttl: 1 }
  })
  for (let i = 0; i < 3; i++) ask()
  isBroken = false
  clock.pass(999)
  ask()
  assert.deepEqual([notices, recoveries], [[['gone', 1]], []])
  clock.pass(1)
  ask()
  ask()
  assert.deepEqual(recoveries, [3])
  isBroken = true
  ask()
  assert.deepEqual(notices, [
    ['gone', 1],
    ['gone', 1],
  ])
})

test('what the counter has told about itself is not told again', async () => {
  const { counts, notices, ask } = patient(() => Promise.resolve(undefined))
  ask()
  await setImmediate()
  assert.deepEqual([counts, notices], [[undefined], []])
})

test('a key whose requests are used up is not asked for again until its window ends', async () => {
  const answers: (RateCount | Promise<never>)[] = [
    { current: 10, ttl: 1000 },
    { current: 11, ttl: 900 },
    new Promise(() => {}),
  ]
  let asked = 0
  const { clock, counts, notices, ask } = patient(async () => {
    asked++
    return answers.shift() ?? { current: 1, ttl: 1000 }
  })
  for (let i = 0; i < 5; i++) {
    ask()
    await setImmediate()
  }
  assert.deepEqual([counts, asked], [[10, 11, 11, 11, 11], 2])
  // It stays refused while the counter does not answer for others.
  ask('b')
  clock.pass(100)
  ask('b')
  ask()
  assert.deepEqual(counts.slice(5), [undefined, undefined, 11])
  assert.equal(notices.length, 1)
  clock.pass(800)
  ask('b')
  await setImmediate()
  ask()
  await setImmediate()
  assert.equal(counts.at(-1), 1)
})

test('an answer that has come while this thread was busy counts, and is read first', async () => {
  const answers: ((count: RateCount) => void)[] = []
  const { clock, counts, notices, ask } = patient(() => new Promise((resolve) => answers.push(resolve)))
  ask()
  clock.late(200)
  assert.deepEqual(counts, [])
  answers[0]?.({ current: 1, ttl: 1 })
  await setImmediate()
  clock.pass(1)
  assert.deepEqual([counts, notices], [[1], []])
  // What does not come then is late, however busy the thread is.
  ask()
  clock.late(200)
  clock.late(200)
  assert.deepEqual([counts, notices.length], [[1, undefined], 1])
})
