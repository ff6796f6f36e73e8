import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { PatientCounter } from '../../../src/limits/patient-counter.js'
import type { RateCount } from '../../../src/limits/rate-limit-counter.js'
import { TestClock } from '../../support/clock.js'

function patient(increment: () => RateCount | Promise<RateCount>) {
  const clock = new TestClock()
  const notices: [message: string, requests: number][] = []
  const counts: (number | undefined)[] = []
  const counter = new PatientCounter({
    counter: { increment },
    clock,
    patience: 100,
    onUncounted: (reason, requests) => notices.push([(reason as Error).message, requests]),
  })
  const ask = () => counter.increment('a', 1000, 10, (count) => counts.push(count?.current))
  return { clock, notices, counts, ask }
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
