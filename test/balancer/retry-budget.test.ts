import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RetryBudget } from '../../src/balancer/retry-budget.js'
import { TestClock } from '../support/clock.js'

/** How many retries are granted of `count` that are asked for. */
const granted = (budget: RetryBudget, count: number) =>
  Array.from({ length: count }, () => budget.retry()).filter(Boolean).length

test('a share of the requests, and a reserve', () => {
  const budget = new RetryBudget(20, new TestClock())
  assert.equal(granted(budget, 100), 10)
  for (let i = 0; i < 100; i++) budget.request()
  assert.equal(granted(budget, 100), 20)
  for (let i = 0; i < 5; i++) budget.request()
  assert.equal(granted(budget, 100), 1)
})

test('0 is none at all, 100 one for each', () => {
  const [none, all] = [new RetryBudget(0, new TestClock()), new RetryBudget(100, new TestClock())]
  for (const budget of [none, all]) for (let i = 0; i < 50; i++) budget.request()
  assert.equal(granted(none, 100), 0)
  assert.equal(granted(all, 100), 60)
})

test('only the last ten seconds count', () => {
  const clock = new TestClock()
  const budget = new RetryBudget(10, clock)
  for (let i = 0; i < 1000; i++) budget.request()
  clock.pass(9000)
  assert.equal(granted(budget, 200), 110)
  clock.pass(1000)
  assert.equal(granted(budget, 200), 0, 'the requests are forgotten, the retries are not')
  clock.pass(9000)
  assert.equal(granted(budget, 200), 10)
  clock.pass(3_600_000)
  assert.equal(granted(budget, 200), 10)
})
