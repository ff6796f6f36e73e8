import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BUDGET_WINDOW_MS,
  Budget,
  hedgeAllowance,
  retryAllowance,
} from '../../../src/balancer/resilience/budget.js'
import { SlidingCount } from '../../../src/balancer/stats/sliding-count.js'
import { TestClock } from '../../support/clock.js'

function retries(percent: number, clock = new TestClock()) {
  const requests = new SlidingCount(BUDGET_WINDOW_MS, clock)
  return {
    requests,
    budget: new Budget(retryAllowance(percent), requests, new SlidingCount(BUDGET_WINDOW_MS, clock)),
  }
}

/** How many of `count` retries the budget allows. */
const granted = (budget: Budget, count: number) =>
  Array.from({ length: count }, () => budget.spend()).filter(Boolean).length

test('a share of the requests, and a reserve', () => {
  const { requests, budget } = retries(20)
  assert.equal(granted(budget, 100), 10)
  for (let i = 0; i < 100; i++) requests.add()
  assert.equal(granted(budget, 100), 20)
  for (let i = 0; i < 5; i++) requests.add()
  assert.equal(granted(budget, 100), 1)
})

test('0 allows none, 100 one for each request', () => {
  const [none, all] = [retries(0), retries(100)]
  for (const { requests } of [none, all]) for (let i = 0; i < 50; i++) requests.add()
  assert.equal(granted(none.budget, 100), 0)
  assert.equal(granted(all.budget, 100), 60)
})

test('only the last ten seconds count', () => {
  const clock = new TestClock()
  const { requests, budget } = retries(10, clock)
  for (let i = 0; i < 1000; i++) requests.add()
  clock.pass(9000)
  assert.equal(granted(budget, 200), 110)
  clock.pass(1000)
  assert.equal(granted(budget, 200), 0, 'the requests are forgotten, the retries are not')
  clock.pass(9000)
  assert.equal(granted(budget, 200), 10)
  clock.pass(3_600_000)
  assert.equal(granted(budget, 200), 10)
})

test('hedges are a share of the requests, and at least one', () => {
  const clock = new TestClock()
  const requests = new SlidingCount(BUDGET_WINDOW_MS, clock)
  const budget = new Budget(hedgeAllowance(5), requests, new SlidingCount(BUDGET_WINDOW_MS, clock))
  assert.equal(granted(budget, 100), 1)
  for (let i = 0; i < 100; i++) requests.add()
  assert.equal(budget.allows(), true)
  assert.equal(granted(budget, 100), 4)
  assert.equal(budget.allows(), false)
  assert.equal(
    granted(new Budget(hedgeAllowance(0), requests, new SlidingCount(BUDGET_WINDOW_MS, clock)), 100),
    0,
  )
})
