import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../../src/balancer/balancer.js'
import type { Lease } from '../../../src/balancer/leases/lease.js'
import type { BalancerOptions } from '../../../src/balancer/options.js'
import { policyNames } from '../../../src/balancer/selection/policies/index.js'
import { TestClock } from '../../support/clock.js'
import { seeded } from '../../support/random.js'

function pool(ids: string, options: BalancerOptions = {}) {
  const clock = new TestClock()
  const backends = [...ids].map((id) => ({ url: `http://${id}:1`, id }))
  const balancer = new Balancer({ backends, clock, random: seeded(1), slowStart: 0, ...options })
  const { registry } = balancer
  /** A connection that is switched, and quiet from then on. */
  const open = (): Lease => {
    let opened: Lease | undefined
    balancer.lease({
      upgrade: true,
      onLease: (lease) => {
        lease.answered(clock.now())
        lease.switched()
        opened = lease
      },
      onReject: (error) => assert.fail(error),
    })
    return opened as Lease
  }
  const view = (id: string) => {
    const { inFlight, tunnels } = registry.get(id).view()
    return { inFlight, tunnels, load: registry.get(id).load }
  }
  return { clock, balancer, registry, open, view }
}

/** The part of the requests that each backend gets, each answered after `time` milliseconds. */
function partsOf(
  { balancer, clock }: ReturnType<typeof pool>,
  total: number,
  concurrency: number,
): Map<string, number> {
  const got = new Map<string, number>()
  const held: Lease[] = []
  for (let i = 0; i < total; i++) {
    if (held.length === concurrency) {
      clock.pass(1)
      const lease = held.shift() as Lease
      lease.answered(clock.now())
      lease.release('ok')
    }
    const lease = balancer.acquire()
    held.push(lease)
    got.set(lease.backend.id, (got.get(lease.backend.id) ?? 0) + 1 / total)
  }
  for (const lease of held) lease.release('ok')
  return got
}

test('tunnels are counted as they open and close, and weigh by their traffic', () => {
  const { clock, balancer, open, view } = pool('a', { tunnelWeight: 25 })
  const tunnels = Array.from({ length: 10 }, open)
  const [first, second] = tunnels as [Lease, Lease]
  assert.deepEqual(view('a'), { inFlight: 10, tunnels: 10, load: 2 })
  assert.equal(clock.pending, 0, 'nothing is watched while all are quiet')
  first.moved()
  first.moved()
  second.moved()
  assert.deepEqual(view('a'), { inFlight: 10, tunnels: 10, load: 4 }, '8 quiet ones are 2 requests')
  for (let i = 0; i < 3; i++) {
    clock.pass(1000)
    first.moved()
  }
  assert.deepEqual(view('a'), { inFlight: 10, tunnels: 10, load: 3 }, '9 quiet ones are still 2')
  clock.pass(2000)
  assert.deepEqual(view('a').load, 2)
  assert.equal(clock.pending, 0)
  // With traffic or without when it ends.
  second.moved()
  first.switched()
  for (const lease of tunnels) lease.release('ok')
  assert.deepEqual(view('a'), { inFlight: 0, tunnels: 0, load: 0 })
  first.moved()
  second.switched()
  clock.pass(5000)
  assert.deepEqual(view('a'), { inFlight: 0, tunnels: 0, load: 0 }, 'what comes later changes nothing')
  balancer.close()
  assert.equal(clock.pending, 0)
})

test('a limit includes all tunnels, quiet or not', () => {
  const { balancer, open } = pool('a', { maxConnections: 2, queueLimit: 0 })
  open()
  open()
  assert.throws(() => balancer.acquire(), { code: 'LEASTWISE_ALL_FULL' })
  balancer.close()
})

for (const policy of policyNames) {
  for (const concurrency of [1, 6, 30]) {
    test(`${policy}: a third backend gets no more requests for having no tunnels, ${concurrency} at a time`, () => {
      const made = pool('ab', { policy })
      for (let i = 0; i < 140; i++) made.open()
      made.clock.pass(20_000)
      made.registry.add({ url: 'http://c:1', id: 'c' })
      const got = partsOf(made, 900, concurrency).get('c') ?? 0
      assert.ok(got > 0.25 && got < 0.42, `${got}`)
      for (const { inFlight, leases } of made.registry.list()) assert.equal(inFlight, leases.tunnels)
      made.balancer.close()
    })
  }
}

test('at a weight of 100 all tunnels weigh the same, and at 0 quiet ones weigh nothing', () => {
  const whole = pool('ab', { tunnelWeight: 100 })
  for (let i = 0; i < 140; i++) whole.open()
  whole.registry.add({ url: 'http://c:1', id: 'c' })
  assert.equal(Math.round(100 * (partsOf(whole, 151, 50).get('c') ?? 0)), 100)
  const none = pool('ab')
  for (let i = 0; i < 10_000; i++) none.open()
  assert.deepEqual(none.view('a').load, 0)
})

for (const policy of policyNames) {
  test(`${policy}: tunnels that are opened later ${policy.endsWith('robin') ? 'go round' : 'even out'}`, () => {
    const { balancer, registry, open, view } = pool('ab', { policy })
    for (let i = 0; i < 140; i++) open()
    registry.add({ url: 'http://c:1', id: 'c' })
    const { backend } = balancer.explain({ upgrade: true })
    const later = Array.from({ length: 100 }, open)
    assert.equal(later[0]?.backend.id, backend)
    const counts = ['a', 'b', 'c'].map((id) => view(id).tunnels)
    if (policy.endsWith('robin')) assert.ok((counts[2] as number) <= 34, `${counts}`)
    else assert.deepEqual(counts.toSorted(), [80, 80, 80])
    balancer.close()
  })
}

test('a tunnel with traffic weighs as much as a request', () => {
  const { balancer, registry } = pool('ab')
  const [a] = registry.list()
  const busy = Array.from({ length: 10 }, () => {
    const lease = balancer.acquire(new Set(registry.list().filter((one) => one !== a)))
    lease.switched()
    lease.moved()
    return lease
  })
  assert.ok(busy.every(({ backend }) => backend === a))
  for (let i = 0; i < 10; i++) assert.equal(balancer.acquire().backend.id, 'b')
  balancer.close()
})
