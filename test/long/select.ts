import assert from 'node:assert/strict'
import { test } from 'node:test'
import { render } from '../../bench/select/report.js'
import { select } from '../../bench/select/select.js'
import { policyNames } from '../../src/balancer/selection/policies/index.js'

test('every policy is measured in every pool, with equal weights and with mixed ones', async () => {
  const data = await select({ sizes: [3, 10, 100], rounds: 1, steps: 200 })
  assert.deepEqual(
    data.rows.map(({ policy, mixed, isShared }) => [policy, mixed, isShared]),
    [
      [undefined, false, false],
      ...policyNames.flatMap((policy) => [
        [policy, false, false],
        [policy, true, false],
      ]),
      ['least-connections', false, true],
      ['least-connections', true, true],
    ],
  )
  for (const { times, bytes, ratio } of data.rows) {
    assert.deepEqual(
      times.map(({ size }) => size),
      [3, 10, 100],
    )
    for (const { nanoseconds } of times) assert.ok(nanoseconds > 0)
    assert.ok(bytes > 0 && ratio > 0)
  }
  assert.deepEqual(
    data.crowds.map(({ name, few, many }) => [name, few > 0 && many > 0]),
    [
      ['waiting POSTs', true],
      ['waiting hedges', true],
      ['joining backends', true],
    ],
  )
  const report = render(data)
  for (const policy of policyNames) assert.ok(report.includes(`│ ${policy}`), report)
  assert.ok(report.includes('│ least-connections, shared'), report)
  assert.match(report, /^goal (holds |MISSED) {2}least-connections, 100 backends/m)
  assert.match(report, /^goal (holds |MISSED) {2}1000 waiting POSTs: times the cost with 10/m)
})

test('a measurement that is no longer wanted ends', async () => {
  const signal = AbortSignal.abort(new Error('no longer'))
  await assert.rejects(select({ sizes: [10], rounds: 1, steps: 100, signal }), /no longer/)
})
