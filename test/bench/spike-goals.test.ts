import assert from 'node:assert/strict'
import { test } from 'node:test'
import { goalsOf } from '../../bench/spike/goals.js'
import { type Outcome, percentile } from '../../bench/spike/outcome.js'
import type { ScenarioResult } from '../../bench/spike/spike.js'

test('a percentile is a value that was measured', () => {
  const sorted = Array.from({ length: 200 }, (_, i) => i + 1)
  assert.deepEqual(
    [50, 99, 99.9, 100].map((percent) => percentile(sorted, percent)),
    [100, 198, 200, 200],
  )
  assert.equal(percentile([7], 50), 7)
})

test('a goal holds or is missed by the best peer, errors counted as the longest wait', () => {
  const own = outcome('least-connections', 'leastwise', { p99WithErrors: 100, failed: 1 })
  const quickly = outcome('Caddy', 'peer', { p99: 1, p99WithErrors: 3000 })
  const slowly = outcome('nginx', 'peer', { p99WithErrors: 50 })
  const hold = (outcomes: Outcome[]) =>
    goalsOf([scenario('crash', 'GET', outcomes)]).map(({ holds }) => holds)
  assert.deepEqual(hold([own, quickly]), [true, false])
  assert.deepEqual(hold([own, quickly, slowly]), [false, false])
  assert.deepEqual(hold([own]), [undefined, false])
})

test('of a scenario that was disturbed nothing is said', () => {
  const own = outcome('least-connections', 'leastwise', {})
  const result = { ...scenario('crash', 'GET', [own, outcome('nginx', 'peer', {})]), disturbed: true }
  assert.deepEqual(
    goalsOf([result]).map(({ holds }) => holds),
    [undefined, undefined],
  )
})

test('of POSTs those may be lost that reached the failing backend, and no others', () => {
  const holds = (failed: number, failedByBackends: number) =>
    goalsOf([
      scenario('errors-post', 'POST', [
        outcome('least-connections', 'leastwise', { failed, failedByBackends }),
      ]),
    ]).at(-1)?.holds
  assert.deepEqual([holds(5, 5), holds(6, 5), holds(11, 11)], [true, false, false])
})

function outcome(contender: string, kind: Outcome['kind'], figures: Partial<Outcome>): Outcome {
  return {
    contender,
    kind,
    sent: 1000,
    failed: 0,
    timedOut: 0,
    p50: 1,
    p99: 2,
    p999: 3,
    max: 4,
    p99WithErrors: 2,
    arrived: [1000],
    failedByBackends: 0,
    timeline: { p50: [], p99: [], errors: [], arrived: [] },
    ...figures,
  }
}

function scenario(name: string, method: 'GET' | 'POST', outcomes: Outcome[]): ScenarioResult {
  const lateness = { p50: 0, p99: 0, max: 0 }
  return { name, title: name, method, events: [], outcomes, lateness, disturbed: false }
}
