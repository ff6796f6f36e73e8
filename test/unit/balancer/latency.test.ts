import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Latency } from '../../../src/balancer/stats/latency.js'

test('without a sample all latencies are 0', () => {
  assert.deepEqual(new Latency().summary(), { ewma: 0, p50: 0, p99: 0 })
})

test('percentiles are nearest-rank over the latest 1,024 samples', () => {
  const latency = new Latency()
  for (let i = 1; i <= 100; i++) latency.add(i, i)
  const { p50, p99 } = latency.summary()
  assert.deepEqual([p50, p99], [50, 99])
  for (let i = 0; i < 1024; i++) latency.add(7, 1000 + i)
  const later = latency.summary()
  assert.deepEqual([later.p50, later.p99], [7, 7])
})

test('the average follows time: ten seconds move it two thirds of the way, a burst does not', () => {
  const slow = new Latency()
  slow.add(0, 0)
  slow.add(100, 10_000)
  assert.ok(Math.abs(slow.summary().ewma - 63.2) < 0.1)
  const burst = new Latency()
  burst.add(0, 0)
  for (let i = 0; i < 5; i++) burst.add(100, 1)
  assert.ok(burst.summary().ewma < 2)
})
