import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Backend } from '../../../src/balancer/backends/backend.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import type { Lease } from '../../../src/balancer/leases/lease.js'
import type { RequestTraits } from '../../../src/balancer/leases/lease-request.js'
import { policies, policyNames } from '../../../src/balancer/selection/policies/index.js'
import type {
  PickContext,
  Policy,
  PolicyConstructor,
  Preview,
} from '../../../src/balancer/selection/policies/policy.js'
import { TestClock } from '../../support/clock.js'
import { seeded } from '../../support/random.js'

/** Any policy, but for requests with a key: those of one key go to one backend as long as it can be chosen. */
function pinned(Inner: PolicyConstructor): PolicyConstructor {
  return class implements Policy {
    readonly #inner: Policy
    #eligible: readonly Backend[] = []

    constructor(random: () => number) {
      this.#inner = new Inner(random)
    }

    update(eligible: readonly Backend[]): void {
      this.#eligible = eligible
      this.#inner.update(eligible)
    }

    changed(backend: Backend): void {
      this.#inner.changed?.(backend)
    }

    retiered(backend: Backend): void {
      this.#inner.retiered?.(backend)
    }

    pick(context: PickContext): Backend | undefined {
      return this.#pinned(context) ?? this.#inner.pick(context)
    }

    explain(context: PickContext): Preview {
      const preview = this.#inner.explain(context)
      const choice = this.#pinned(context)
      if (!choice) return preview
      const scores = preview.scores.map((one) => ({
        ...one,
        probability: Number(one.backend === choice),
      }))
      return { choice, scores }
    }

    #pinned({ key, except, reach }: PickContext): Backend | undefined {
      if (key === undefined) return undefined
      const backend = this.#eligible[key.length % this.#eligible.length]
      return backend?.takes(reach) && !except?.has(backend) ? backend : undefined
    }
  }
}

const table = policies as Record<string, { policy: PolicyConstructor }>

function withPinning(t: { after(restore: () => void): void }, policy: string): Balancer {
  const row = table[policy] as { policy: PolicyConstructor }
  table[policy] = { ...row, policy: pinned(row.policy) }
  t.after(() => {
    table[policy] = row
  })
  return new Balancer({
    policy,
    clock: new TestClock(),
    random: seeded(1),
    maxConnections: 20,
    backends: ['a', 'b', 'c'].map((id) => ({ url: `http://${id}:1`, id })),
  })
}

function leaseFor(balancer: Balancer, traits: RequestTraits): Lease {
  let lease: Lease | undefined
  balancer.lease({ ...traits, onLease: (given) => (lease = given), onReject: assert.ifError })
  return lease as Lease
}

for (const policy of policyNames) {
  test(`${policy}: a wrapper pins requests by their key, and leaves all others to the policy`, (t) => {
    const balancer = withPinning(t, policy)
    const held = Array.from({ length: 10 }, () => leaseFor(balancer, { key: 'xx' }))
    assert.deepEqual(new Set(held.map(({ backend }) => backend.id)), new Set(['c']))
    assert.equal(leaseFor(balancer, { key: 'x' }).backend.id, 'b')
    const others = Array.from({ length: 20 }, () => leaseFor(balancer, {}).backend.id)
    assert.ok(new Set(others).size > 1, `${others}`)
  })

  test(`${policy}: a retry and a full backend send a request with a key elsewhere`, (t) => {
    const balancer = withPinning(t, policy)
    const { backend } = leaseFor(balancer, { key: 'x' })
    assert.equal(backend.id, 'b')
    assert.notEqual(
      leaseFor(balancer, { key: 'x', except: new Set([backend]), again: true }).backend,
      backend,
    )
    while (!backend.isFull) leaseFor(balancer, { key: 'x' })
    assert.notEqual(leaseFor(balancer, { key: 'x' }).backend, backend)
  })

  test(`${policy}: an explanation is given the key as well`, (t) => {
    const balancer = withPinning(t, policy)
    for (const [key, id] of [
      ['x', 'b'],
      ['xx', 'c'],
      ['xxx', 'a'],
    ] as const) {
      const { backend, backends } = balancer.explain({ key })
      assert.equal(backend, id)
      assert.equal(backends.find((one) => one.id === id)?.probability, 1)
      assert.equal(leaseFor(balancer, { key }).backend.id, id)
    }
  })
}
