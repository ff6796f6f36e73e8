import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Balancer } from '../../../src/balancer/balancer.js'
import type { Lease } from '../../../src/balancer/leases/lease.js'
import { policyNames } from '../../../src/balancer/selection/policies/index.js'
import { TestClock } from '../../support/clock.js'
import { seeded } from '../../support/random.js'

const TOTAL = 10_000
const lists = [
  [5, 2],
  [3, 2, 1],
  [5, 1, 1],
  [100, 1],
  [1, 2, 3, 4],
  [10, ...new Array(29).fill(1)],
]

/** Percent of the requests that each backend got, sent so many at a time, each of which takes 10 ms. */
function shares(policy: string, weights: readonly number[], concurrency: number): number[] {
  const clock = new TestClock()
  const backends = weights.map((weight, i) => ({ url: `http://b${i}:1`, weight }))
  const balancer = new Balancer({ policy, clock, backends, random: seeded(7) })
  const running: Lease[] = []
  for (let i = 0; i < TOTAL; i++) {
    if (running.length === concurrency) {
      clock.pass(10 / concurrency)
      const lease = running.shift()
      lease?.answered(clock.now())
      lease?.release('ok')
    }
    running.push(balancer.acquire())
  }
  return balancer.registry.list().map(({ leases }) => (100 * leases.total) / TOTAL)
}

// Round robin ignores weights.
for (const policy of policyNames.filter((name) => name !== 'round-robin')) {
  describe(`${policy} keeps weights within 2 %`, () => {
    for (const weights of lists) {
      for (const concurrency of [1, 2, 3, 10, 60]) {
        test(`${weights.slice(0, 5)}, ${concurrency} at a time`, () => {
          const total = weights.reduce((a, b) => a + b)
          for (const [i, share] of shares(policy, weights, concurrency).entries()) {
            const fair = (100 * (weights[i] as number)) / total
            assert.ok(
              Math.abs(share - fair) <= 2,
              `backend ${i} has ${share} % where ${fair.toFixed(1)} is fair`,
            )
          }
        })
      }
    }
  })
}

test('weighted round robin is smooth: a heavy backend does not come in runs', () => {
  const backends = [5, 1, 1].map((weight, i) => ({ url: `http://b${i}:1`, id: 'abc'[i] as string, weight }))
  const balancer = new Balancer({ policy: 'weighted-round-robin', backends, random: () => 0.5 })
  const order = Array.from({ length: 70 }, () => balancer.acquire().backend.id).join('')
  assert.doesNotMatch(order, /a{5}|[bc]{2}/)
  for (let i = 0; i + 7 <= order.length; i += 7) {
    assert.equal([...order.slice(i, i + 7)].sort().join(''), 'aaaaabc')
  }
})

test('weighted round robin: the share of a full backend goes to all others, by weight', () => {
  const backends = [1, 1, 5].map((weight, i) => ({ url: `http://b${i}:1`, id: 'abc'[i] as string, weight }))
  const balancer = new Balancer({ policy: 'weighted-round-robin', backends, random: seeded(3) })
  balancer.registry.update('a', { maxConnections: 1 })
  const held: Lease[] = []
  for (let i = 0; i < 20 && held.length === 0; i++) {
    const lease = balancer.acquire()
    if (lease.backend.id === 'a') held.push(lease)
    else lease.release('ok')
  }
  const before = balancer.registry.get('b').leases.total
  for (let i = 0; i < 600; i++) balancer.acquire().release('ok')
  const got = balancer.registry.get('b').leases.total - before
  assert.ok(Math.abs(got - 100) <= 2, `${got}`)
})

test('power of two: the less loaded of two different backends is chosen', () => {
  const backends = ['http://a:1', 'http://b:1']
  for (let seed = 0; seed < 50; seed++) {
    const balancer = new Balancer({ policy: 'power-of-two', backends, random: seeded(seed) })
    // In a pool of two both are always drawn.
    for (let i = 0; i < 40; i++) {
      balancer.acquire()
      const [a, b] = balancer.registry.list().map(({ inFlight }) => inFlight) as [number, number]
      assert.ok(Math.abs(a - b) <= 1, `${a} and ${b}`)
    }
  }
})

test('power of two: the most loaded of many backends has not much more than the mean', () => {
  const backends = Array.from({ length: 1000 }, (_, i) => `http://b${i}:1`)
  const balancer = new Balancer({ policy: 'power-of-two', backends, random: seeded(2) })
  for (let i = 0; i < 1000; i++) balancer.acquire()
  const most = Math.max(...balancer.registry.list().map(({ inFlight }) => inFlight))
  // A random choice would make it 5 or 6: ln n / ln ln n.
  assert.ok(most <= 3, `${most}`)
})
