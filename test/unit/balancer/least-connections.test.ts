import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Balancer } from '../../../src/balancer/balancer.js'
import type { Lease } from '../../../src/balancer/leases/lease.js'
import type { BalancerOptions } from '../../../src/balancer/options.js'
import { seeded } from '../../support/random.js'

function pool(weights: number[], seed = 1, options: BalancerOptions = {}): Balancer {
  const backends = weights.map((weight, i) => ({ url: `http://b${i}:1`, id: `b${i}`, weight }))
  return new Balancer({ backends, random: seeded(seed), ...options })
}

/** Percent of the requests that each backend got, of `total` sent `concurrency` at a time. */
function shares(
  balancer: Balancer,
  total: number,
  concurrency: number,
  duration: (lease: Lease) => number,
): number[] {
  const running: { ends: number; lease: Lease }[] = []
  let now = 0
  for (let i = 0; i < total; i++) {
    if (running.length === concurrency) {
      const first = running.reduce((a, b) => (b.ends < a.ends ? b : a))
      running.splice(running.indexOf(first), 1)
      now = first.ends
      first.lease.release('ok')
    }
    const lease = balancer.acquire()
    running.push({ lease, ends: now + duration(lease) })
  }
  return balancer.registry.list().map((backend) => (100 * backend.leases.total) / total)
}

const near = (actual: number[], expected: number[], tolerance: number) =>
  assert.ok(
    actual.every((share, i) => Math.abs(share - (expected[i] as number)) <= tolerance),
    `${actual.map((share) => share.toFixed(1))} is not ${expected.map((share) => share.toFixed(1))}`,
  )

describe('weights come out at any concurrency', () => {
  const cases: number[][] = [
    [5, 2],
    [10, 1],
    [3, 2, 1],
    [5, 1, 1],
    [10, 9],
    [100, 1],
  ]
  for (const weights of cases) {
    const sum = weights.reduce((a, b) => a + b)
    const expected = weights.map((weight) => (100 * weight) / sum)
    for (const concurrency of [1, 2, 3, 4, 7, 10, 24]) {
      test(`${weights.join(':')}, ${concurrency} in flight`, () => {
        near(
          shares(pool(weights), 10_000, concurrency, () => 1),
          expected,
          0.2,
        )
      })
    }
    test(`${weights.join(':')}, 3 in flight, durations at random`, () => {
      const random = seeded(3)
      near(
        shares(pool(weights), 10_000, 3, () => -Math.log(1 - random())),
        expected,
        2,
      )
    })
  }
})

test('among equal weights none is chosen while another has fewer in flight', () => {
  const random = seeded(9)
  const balancer = pool([3, 3, 3, 3, 3])
  const held: Lease[] = []
  for (let step = 0; step < 50_000; step++) {
    // Releases favour some backends, so that the others get a deficit.
    if (held.length > 0 && random() < 0.5) {
      held.sort((a, b) => a.backend.id.localeCompare(b.backend.id))
      held.splice(Math.floor(random() ** 2 * held.length), 1)[0]?.release('ok')
      continue
    }
    const fewest = Math.min(...balancer.registry.list().map((backend) => backend.inFlight))
    const lease = balancer.acquire()
    assert.equal(lease.inFlight, fewest + 1)
    held.push(lease)
  }
})

test('whatever the weights, the choice is within one request of the least loaded', () => {
  const random = seeded(11)
  const balancer = pool([7, 5, 2, 1])
  const held: Lease[] = []
  for (let step = 0; step < 50_000; step++) {
    if (held.length > 0 && random() < 0.5) {
      held.splice(Math.floor(random() * held.length), 1)[0]?.release('ok')
      continue
    }
    const bound = Math.min(...balancer.registry.list().map(({ inFlight, weight }) => (inFlight + 1) / weight))
    const lease = balancer.acquire()
    assert.ok((lease.inFlight - 1) / lease.backend.weight < bound + 1e-9)
    held.push(lease)
  }
})

test('a slow backend is avoided, whatever its deficit', () => {
  for (const weights of [
    [1, 1, 1],
    [10, 10, 9],
    [2, 2, 5],
  ]) {
    const [, , slow] = shares(pool(weights), 30_000, 24, ({ backend }) => (backend.id === 'b2' ? 40 : 1))
    assert.ok((slow as number) < 5, `${weights}: ${slow} %`)
  }
})

test('a backend that was slow and recovered is not flooded with what it missed', () => {
  const balancer = pool([1, 1, 1])
  shares(balancer, 10_000, 12, ({ backend }) => (backend.id === 'b2' ? 100 : 1))
  for (const backend of balancer.registry.list()) backend.leases.cutAll(new Error('over'))
  const order = Array.from({ length: 30 }, () => {
    const lease = balancer.acquire()
    lease.release('ok')
    return lease.backend.id
  })
  assert.ok(order.filter((id) => id === 'b2').length <= 13)
})

test('a new backend gets its share from then on, and nothing for the time before', () => {
  const balancer = pool([1, 1], 1, { slowStart: 0 })
  for (let i = 0; i < 1000; i++) balancer.acquire().release('ok')
  balancer.registry.add({ url: 'http://new:1', id: 'new' })
  for (let i = 0; i < 300; i++) balancer.acquire().release('ok')
  const total = balancer.registry.get('new').leases.total
  assert.ok(Math.abs(total - 100) <= 2, `${total}`)
})

test('changes of the set of backends keep turns and deficits', () => {
  const even = pool([1, 1, 1])
  const weighted = pool([5, 2])
  for (let i = 0; i < 700; i++) {
    for (const balancer of [even, weighted]) {
      balancer.acquire().release('ok')
      balancer.registry.update('b0', {})
    }
  }
  const totals = (balancer: Balancer) => balancer.registry.list().map((backend) => backend.leases.total)
  assert.deepEqual(
    totals(even).sort((a, b) => b - a),
    [234, 233, 233],
  )
  assert.deepEqual(totals(weighted), [500, 200])
})
