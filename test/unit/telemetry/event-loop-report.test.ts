import assert from 'node:assert/strict'
import { test } from 'node:test'
import { poolColumn } from '../../../src/balancer/threads/table.js'
import { reportEventLoop } from '../../../src/telemetry/metrics/event-loop-report.js'
import { TestClock } from '../../support/clock.js'

test('a worker writes each second how busy its event loop is, until it is stopped', async () => {
  const clock = new TestClock()
  const column = new Float64Array(256).fill(-1)
  const stop = reportEventLoop(column, clock)
  const seen = () => column[poolColumn.eventLoopUtilization] as number
  // The utilization of the thread is known once its loop has turned.
  await new Promise(setImmediate)
  assert.equal(seen(), -1)
  clock.pass(1000)
  assert.ok(seen() >= 0 && seen() <= 1, `${seen()}`)
  assert.ok((column[poolColumn.eventLoopDelay] as number) >= 0)
  column.fill(-1)
  clock.pass(1000)
  assert.ok(seen() >= 0)
  stop()
  column.fill(-1)
  clock.pass(5000)
  assert.equal(seen(), -1)
})
