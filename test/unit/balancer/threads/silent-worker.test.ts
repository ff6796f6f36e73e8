import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../../../src/balancer/balancer.js'
import { TestClock } from '../../../support/clock.js'
import { until } from '../../../support/until.js'

test('a worker whose event loop does not turn for five seconds is silent, and again after it came back', async (t) => {
  const clock = new TestClock()
  const own = new TestClock()
  const control = new Balancer({ clock, workers: 1 })
  t.after(() => control.close())
  const worker = control.workers?.connect()
  assert.ok(worker)
  const member = new Balancer({ clock: own, shared: worker.handle })
  t.after(() => member.close())
  await until(() => worker.takesPart, Boolean)
  let times = 0
  control.workers?.on('silent', (one) => {
    assert.equal(one, worker)
    times++
  })
  /** Time that passes for the control plane, and for the worker where its event loop turns. */
  const pass = (seconds: number, ...clocks: TestClock[]) => {
    for (let i = 0; i < 2 * seconds; i++) for (const one of [...clocks, clock]) one.pass(500)
  }
  pass(20, own)
  assert.equal(times, 0)
  pass(4)
  assert.equal(times, 0)
  pass(20)
  assert.equal(times, 1, 'it is told once')
  pass(1, own)
  assert.equal(worker.isSilent, false)
  pass(20)
  assert.equal(times, 2)
})
