import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../../src/balancer/balancer.js'
import { TestClock } from '../../support/clock.js'
import { seeded } from '../../support/random.js'

function pool(policy: string) {
  const clock = new TestClock()
  const backends = ['a', 'b'].map((id) => ({ url: `http://${id}:1`, id }))
  const balancer = new Balancer({ policy, clock, backends, random: seeded(1) })
  const [a, b] = balancer.registry.list() as [
    ReturnType<typeof balancer.registry.get>,
    ReturnType<typeof balancer.registry.get>,
  ]
  // Both are known to be fast.
  for (const other of [a, b]) balancer.acquire(new Set([other])).release('ok')
  /** Sends a request to `a` whose hedge on `b` is answered first. */
  const loseToHedge = () => {
    const lease = balancer.acquire(new Set([b]))
    balancer.lostToHedge(lease)
    lease.release('cancelled')
  }
  return { clock, balancer, a, b, loseToHedge }
}

for (const policy of ['least-connections', 'least-response-time', 'power-of-two']) {
  test(`${policy}: a request that lost to its hedge counts for another second, for choice only`, () => {
    const { clock, balancer, a, b, loseToHedge } = pool(policy)
    for (let i = 0; i < 3; i++) loseToHedge()
    assert.deepEqual([a.inFlight, a.load], [0, 3])
    const chosen = Array.from({ length: 3 }, () => balancer.acquire().backend)
    assert.deepEqual(chosen, [b, b, b])
    clock.pass(999)
    assert.equal(a.load, 3)
    clock.pass(1)
    assert.equal(a.load, 0)
    assert.equal(balancer.acquire().backend, a)
    assert.equal(clock.pending, 0)
  })

  test(`${policy}: residual load ends when the backend answers something`, () => {
    const { clock, balancer, a, b, loseToHedge } = pool(policy)
    const other = balancer.acquire(new Set([b]))
    loseToHedge()
    assert.equal(a.load, 2)
    other.answered(clock.now())
    assert.equal(a.load, 1)
    other.release('ok')
    assert.equal(a.load, 0)
    assert.equal(clock.pending, 0)
  })
}

test('a request that lost to its hedge does not make a backend full, and nothing is left of a backend that goes, or of a pool', () => {
  const { clock, balancer, a, loseToHedge } = pool('least-connections')
  balancer.registry.update('a', { maxConnections: 1 })
  loseToHedge()
  assert.equal(a.isFull, false)
  balancer.registry.remove('a')
  assert.equal(clock.pending, 0)
  const lease = balancer.acquire()
  balancer.lostToHedge(lease)
  lease.release('cancelled')
  assert.equal(clock.pending, 1)
  balancer.close()
  assert.equal(clock.pending, 0)
})
