import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { Backend } from '../../../../src/balancer/backends/backend.js'
import type { Balancer } from '../../../../src/balancer/balancer.js'
import { AllFullError } from '../../../../src/balancer/errors.js'
import type { Lease } from '../../../../src/balancer/leases/lease.js'
import type { BalancerOptions } from '../../../../src/balancer/options.js'
import { policyNames } from '../../../../src/balancer/selection/policies/index.js'
import { sharedPool } from '../../../support/pool-members.js'
import { seeded } from '../../../support/random.js'

const WORKERS = 4

/** A pool that four workers share, with backends of these weights. */
function pool(t: TestContext, weights: readonly number[], options: BalancerOptions = {}) {
  const backends = weights.map((weight, i) => ({ url: `http://b${i}:1`, id: `b${i}`, weight }))
  return sharedPool(t, { members: WORKERS, backends, random: seeded(1), ...options })
}

/** Sends requests, so many at a time, through a worker at random. Returns how many each backend got. */
function totals(
  members: readonly Balancer[],
  count: number,
  concurrency: number,
  released: (lease: Lease) => void = () => {},
): number[] {
  const random = seeded(concurrency)
  const running: Lease[] = []
  for (let i = 0; i < count; i++) {
    if (running.length === concurrency) {
      const lease = running.shift() as Lease
      released(lease)
      lease.release('ok')
    }
    running.push((members[Math.floor(random() * members.length)] as Balancer).acquire())
  }
  for (const lease of running) lease.release('ok')
  return (members[0] as Balancer).registry.list().map(({ leases }) => leases.total)
}

for (const policy of ['least-connections', 'weighted-round-robin', 'least-response-time', 'power-of-two']) {
  describe(`${policy}: weights come out over all workers`, () => {
    for (const weights of [
      [5, 2, 1],
      [10, 1],
      [3, 3, 1, 1, 1],
    ]) {
      for (const concurrency of [1, 3, 24]) {
        test(`${weights.join(':')}, ${concurrency} at a time`, (t) => {
          const { members, clock } = pool(t, weights, { policy })
          const total = weights.reduce((a, b) => a + b)
          const got = totals(members, 800 * total, concurrency, (lease) => {
            clock.pass(1)
            lease.answered(clock.now())
          })
          // Policies that draw at random, or whose workers know different response times, are less exact.
          const tolerance = policy === 'least-connections' || policy === 'weighted-round-robin' ? 0.002 : 0.02
          for (const [i, count] of got.entries()) {
            const share = count / (800 * total)
            const fair = (weights[i] as number) / total
            assert.ok(Math.abs(share - fair) <= tolerance, `${got} for ${weights}`)
          }
        })
      }
    }
  })
}

test('round robin: each of n backends is chosen with every n-th choice, whichever worker chooses', (t) => {
  const { members } = pool(t, [1, 2, 3, 1, 1], { policy: 'round-robin' })
  const random = seeded(2)
  const order = Array.from({ length: 500 }, () => {
    const lease = (members[Math.floor(random() * WORKERS)] as Balancer).acquire()
    if (random() < 0.9) lease.release('ok')
    return lease.backend.id
  })
  for (const [i, id] of order.entries()) if (i >= 5) assert.equal(id, order[i - 5])
  assert.equal(new Set(order.slice(0, 5)).size, 5)
})

test('weighted round robin is smooth over all workers: a heavy backend does not come in runs', (t) => {
  const { members } = pool(t, [5, 1, 1], { policy: 'weighted-round-robin', random: () => 0.5 })
  const order = Array.from({ length: 70 }, (_, i) => {
    const lease = (members[(i * 7) % WORKERS] as Balancer).acquire()
    lease.release('ok')
    return lease.backend.id
  })
  for (let i = 0; i + 7 <= order.length; i += 7) {
    assert.equal(
      order
        .slice(i, i + 7)
        .sort()
        .join(' '),
      'b0 b0 b0 b0 b0 b1 b2',
    )
  }
  assert.doesNotMatch(order.join(''), /(b0){5}/)
})

test('idle backends of equal weight take turns, whichever worker chooses', (t) => {
  const { members } = pool(t, [1, 1, 1, 1, 1])
  const order = Array.from({ length: 100 }, (_, i) => {
    const lease = (members[(i * 3) % WORKERS] as Balancer).acquire()
    lease.release('ok')
    return lease.backend.id
  })
  for (const [i, id] of order.entries()) if (i >= 5) assert.equal(id, order[i - 5])
})

test('the first requests of idle workers go to different backends', (t) => {
  for (const policy of ['least-connections', 'round-robin', 'weighted-round-robin']) {
    const { members } = pool(t, [1, 1, 1, 1], { policy })
    assert.equal(new Set(members.map((member) => member.acquire().backend.id)).size, 4)
  }
})

test('pools do not all begin with the same backend', (t) => {
  for (const policy of ['least-connections', 'round-robin', 'weighted-round-robin']) {
    const first = Array.from({ length: 30 }, (_, seed) => {
      return pool(t, [1, 1, 1], { policy, random: seeded(seed) }).members[0]?.acquire().backend.id
    })
    assert.equal(new Set(first).size, 3)
  }
})

test('turns and ages go on when their stamps wrap around', (t) => {
  for (const policy of ['least-connections', 'round-robin', 'weighted-round-robin']) {
    const { members, workers } = pool(t, [1, 1, 1], { policy })
    const words = new Int32Array(workers[0]?.handle.table.words as SharedArrayBuffer)
    // The stamps of the pool are 2 ** 31 after 60 more of them.
    words[0] = 2 ** 31 - 60
    const got = totals(members, 300, 1)
    assert.deepEqual(got, [100, 100, 100], policy)
  }
})

for (const policy of policyNames)
  test(`${policy}: a listener that asks for a backend while a lower limit is applied is refused`, async (t) => {
    const backends = ['http://a', 'http://b']
    const { members, control, settled } = sharedPool(t, { members: 1, policy, backends, maxConnections: 3 })
    await settled()
    const [member] = members as [Balancer]
    for (let i = 0; i < 5; i++) member.acquire()
    const free = member.registry.list().find(({ inFlight }) => inFlight === 2) as Backend
    let isRefused = false
    member.registry.on('updated', () => {
      assert.throws(() => member.acquire(), AllFullError)
      isRefused = true
    })
    control.registry.update(free.id, { maxConnections: 2 })
    await settled()
    assert.ok(isRefused)
  })
