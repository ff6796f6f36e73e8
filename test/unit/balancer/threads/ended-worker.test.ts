import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../../../src/balancer/balancer.js'
import type { PoolWorkers } from '../../../../src/balancer/threads/pool-workers.js'

test('what a worker had in flight when it ended is taken off, and counts as cancelled', (t) => {
  const control = new Balancer({ workers: 2, backends: ['http://a', 'http://b'], slowStart: 0 })
  const workers = control.workers as PoolWorkers
  const [first, second] = [workers.connect(), workers.connect()]
  const [one, other] = [first, second].map(({ handle }) => new Balancer({ shared: handle })) as [
    Balancer,
    Balancer,
  ]
  t.after(() => {
    for (const pool of [one, other, control]) pool.close()
  })
  const tunnel = one.acquire()
  tunnel.switched()
  for (let i = 0; i < 3; i++) one.acquire()
  const kept = other.acquire()
  other.acquire().release('ok')
  assert.equal(control.view().inFlight, 5)
  first.close()
  assert.equal(control.view().inFlight, 1)
  const ended = control.registry.list().map(({ leases }) => leases.ended)
  assert.deepEqual(
    ended.map(({ ok, cancelled }) => ok + cancelled).reduce((sum, count) => sum + count),
    5,
    'each request that began and is over has an outcome',
  )
  assert.deepEqual(
    control.registry.list().map(({ leases }) => leases.tunnels),
    [0, 0],
  )
  kept.release('ok')
  assert.equal(control.view().inFlight, 0)
})
