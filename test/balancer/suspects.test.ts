import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../src/balancer/balancer.js'
import { policyNames } from '../../src/balancer/policies/index.js'
import { TestClock } from '../support/clock.js'
import { seeded } from '../support/random.js'

for (const policy of policyNames) {
  const pool = () => {
    const clock = new TestClock()
    const backends = ['a', 'b', 'c'].map((id) => ({ url: `http://${id}:1`, id }))
    const balancer = new Balancer({ policy, clock, backends, random: seeded(1) })
    /** How many of so many requests, one at a time, a backend gets. */
    const share = (id: string, total: number) => {
      const before = balancer.registry.get(id).leases.total
      for (let i = 0; i < total; i++) balancer.acquire().release('cancelled')
      return balancer.registry.get(id).leases.total - before
    }
    /** A request on `a` that was answered by somebody else. */
    const overtaken = () => {
      const lease = balancer.acquire(new Set(['b', 'c'].map((id) => balancer.registry.get(id))))
      balancer.overtaken(lease)
      lease.release('cancelled')
    }
    return { clock, balancer, share, overtaken }
  }

  test(`${policy}: a backend whose request was overtaken gets none for a second`, () => {
    const { clock, share, overtaken } = pool()
    overtaken()
    assert.equal(share('a', 60), 0)
    clock.pass(1000)
    assert.ok(share('a', 60) > 0)
  })

  test(`${policy}: or until it answers something`, () => {
    const { clock, balancer, share, overtaken } = pool()
    const other = balancer.acquire(new Set(['b', 'c'].map((id) => balancer.registry.get(id))))
    overtaken()
    assert.equal(share('a', 60), 0)
    other.answered(clock.now())
    other.release('ok')
    assert.ok(share('a', 60) > 0)
  })

  test(`${policy}: where there is nobody else it is used`, () => {
    const { balancer, overtaken } = pool()
    overtaken()
    balancer.registry.drain('b')
    balancer.registry.update('c', { maxConnections: 1 })
    balancer.acquire()
    assert.equal(balancer.acquire().backend.id, 'a')
    balancer.close()
  })
}
