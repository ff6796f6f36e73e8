import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Backend } from '../../../src/balancer/backends/backend.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import { AllFullError, NoBackendError } from '../../../src/balancer/errors.js'
import type { Lease } from '../../../src/balancer/leases/lease.js'
import { policyNames } from '../../../src/balancer/selection/policies/index.js'
import { TestClock } from '../../support/clock.js'
import { seeded } from '../../support/random.js'

// What holds for every policy. A new row of the table is tested without a change here.
for (const policy of policyNames) {
  const pool = (count: number, seed = 1) =>
    new Balancer({
      policy,
      // Time stands still.
      clock: new TestClock(),
      random: seeded(seed),
      backends: Array.from({ length: count }, (_, i) => ({ url: `http://b${i}:1`, id: `b${i}` })),
    })

  test(`${policy}: without a backend there is no choice`, () => {
    const balancer = pool(0)
    assert.throws(() => balancer.acquire(), NoBackendError)
    balancer.registry.add({ url: 'http://a:1', id: 'a' })
    assert.equal(balancer.acquire().backend.id, 'a')
    balancer.registry.drain('a')
    assert.throws(() => balancer.acquire(), NoBackendError)
  })

  test(`${policy}: a full backend is passed over, and the error tells whether all are full or there is none`, () => {
    const balancer = pool(3)
    for (const id of ['b0', 'b1', 'b2']) balancer.registry.update(id, { maxConnections: 2 })
    const leases = Array.from({ length: 6 }, () => balancer.acquire())
    assert.deepEqual(
      balancer.registry.list().map((backend) => backend.inFlight),
      [2, 2, 2],
    )
    assert.throws(() => balancer.acquire(), AllFullError)
    const freed = leases[3] as Lease
    freed.release('ok')
    assert.equal(balancer.acquire().backend, freed.backend)
  })

  test(`${policy}: requests one at a time are spread evenly over idle backends`, () => {
    const balancer = pool(3)
    for (let i = 0; i < 900; i++) balancer.acquire().release('ok')
    const totals = balancer.registry.list().map((backend) => backend.leases.total)
    // A policy that draws at random or compares response times may be off by a turn or two.
    const turns = ['power-of-two', 'least-response-time'].includes(policy) ? 2 : 0
    for (const total of totals) assert.ok(Math.abs(total - 300) <= turns, `${totals}`)
  })

  test(`${policy}: an excluded backend is passed over, and later choices are even`, () => {
    const balancer = pool(4)
    const [one, two] = balancer.registry.list() as [Backend, Backend]
    for (let i = 0; i < 100; i++) {
      const lease = balancer.acquire(new Set([one, two]))
      assert.ok(lease.backend !== one && lease.backend !== two)
      lease.release('cancelled')
    }
    assert.throws(() => balancer.acquire(new Set(balancer.registry.list())), NoBackendError)
    for (let i = 0; i < 100; i++) balancer.acquire().release('ok')
    for (const { leases } of [one, two]) assert.ok(leases.total >= 25, `${leases.total}`)
  })

  test(`${policy}: the first choice is not always the same backend`, () => {
    const first = new Set(Array.from({ length: 50 }, (_, seed) => pool(3, seed).acquire().backend.id))
    assert.equal(first.size, 3)
  })

  test(`${policy}: every choice is legal after random changes`, () => {
    const random = seeded(42)
    const balancer = pool(5)
    const { registry } = balancer
    const held = new Map<Backend, Lease[]>()
    const any = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T
    for (let step = 0; step < 20_000; step++) {
      const dice = random()
      const backends = registry.list()
      if (dice < 0.5) {
        // A retry does not go where the request failed before.
        const except = random() < 0.2 ? new Set([any(backends), any(backends)]) : undefined
        const legal = backends.filter(
          (backend) => backend.isEligible && !backend.isFull && !except?.has(backend),
        )
        if (legal.length === 0) {
          assert.throws(() => balancer.acquire(except))
        } else {
          const lease = balancer.acquire(except)
          assert.ok(legal.includes(lease.backend), 'only a backend that may be chosen is')
          held.set(lease.backend, [...(held.get(lease.backend) ?? []), lease])
        }
      } else if (dice < 0.9) {
        const leases = any([...held.values()].filter((list) => list.length > 0))
        if (leases) leases.splice(Math.floor(random() * leases.length), 1)[0]?.release('ok')
      } else if (backends.length > 0) {
        const { id } = any(backends)
        const change = any([
          () => registry.update(id, { weight: 1 + Math.floor(random() * 10) }),
          () => registry.update(id, { maxConnections: Math.floor(random() * 8) }),
          () => registry.drain(id),
          () => registry.activate(id),
          () => registry.setHealth(id, any(['healthy', 'unhealthy', 'unknown'] as const)),
          () => registry.eject(registry.get(id), 1000),
          () => registry.reinstate(registry.get(id)),
          () => registry.remove(id),
          () => registry.remove(id, { force: true }),
          () => registry.add({ url: `http://n${step}:1` }),
          () => {
            balancer.policy = any(policyNames)
            balancer.policy = policy
          },
        ])
        change()
        if (registry.size === 0) registry.add({ url: `http://z${step}:1` })
      } else {
        registry.add({ url: `http://y${step}:1` })
      }
      for (const [backend, leases] of held) {
        const count = leases.filter((lease) => lease.held).length
        assert.equal(backend.inFlight, count, 'the count is the number of leases held')
      }
    }
    balancer.close()
  })
}
