import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Balancer } from '../../../../src/balancer/balancer.js'
import type { Lease } from '../../../../src/balancer/leases/lease.js'
import { sharedPool } from '../../../support/pool-members.js'
import { until } from '../../../support/until.js'

const keys = Array.from({ length: 60 }, (_, i) => `key ${i}`)
const options = {
  members: 2,
  affinity: 'key',
  backends: ['a', 'b', 'c'].map((id) => ({ url: `http://${id}:1`, id })),
}

function leaseFor(balancer: Balancer, key: string): Lease {
  let lease: Lease | undefined
  balancer.lease({ key, onLease: (given) => (lease = given), onReject: assert.ifError })
  return lease as Lease
}

function idFor(balancer: Balancer, key: string): string {
  const lease = leaseFor(balancer, key)
  lease.release('ok')
  return lease.backend.id
}

test('every worker finds the same backend for a key, and what the control plane explains', async (t) => {
  const { control, members, settled } = sharedPool(t, options)
  await settled()
  const [one, two] = members as [Balancer, Balancer]
  for (const key of keys) {
    const id = idFor(one, key)
    assert.equal(idFor(two, key), id)
    const answered = control.explainNext({ key })
    let explanation: Awaited<typeof answered> | undefined
    answered.then((given) => (explanation = given))
    await until(() => explanation !== undefined, Boolean)
    assert.equal(explanation?.backend, id)
  }
})

test('the bound of a backend counts the requests of all workers', async (t) => {
  const { members, settled } = sharedPool(t, options)
  await settled()
  const held = Array.from({ length: 150 }, (_, i) => leaseFor(members[i % 2] as Balancer, keys[0] as string))
  for (const [i, { backend }] of held.entries()) {
    const before = held.slice(0, i).filter((lease) => lease.backend.id === backend.id).length
    assert.ok(
      before < Math.max(12, Math.ceil((1.25 * (i + 1)) / 3)),
      `request ${i}: ${backend.id} had ${before}`,
    )
  }
})

test('a backend that drains keeps its keys in every worker, and is drained once they have moved', async (t) => {
  const { control, members, settled, clock } = sharedPool(t, { ...options, drainTimeout: 10_000 })
  await settled()
  const drained: string[] = []
  control.registry.on('drained', ({ id }) => drained.push(id))
  const mine = keys.filter((key) => idFor(members[0] as Balancer, key) === 'a')
  control.registry.drain('a')
  await settled()
  for (const member of members) for (const key of mine) assert.equal(idFor(member, key), 'a')
  await settled()
  assert.deepEqual(drained, [])
  clock.pass(9_000)
  await until(() => drained.length > 0, Boolean)
  assert.deepEqual(drained, ['a'])
  for (const member of members) for (const key of mine) assert.notEqual(idFor(member, key), 'a')
})

test('a removal of a backend that drains takes its keys away in every worker', async (t) => {
  const { control, members, settled } = sharedPool(t, options)
  await settled()
  const mine = keys.filter((key) => idFor(members[0] as Balancer, key) === 'a')
  const held = leaseFor(members[1] as Balancer, mine[0] as string)
  control.registry.drain('a')
  control.registry.remove('a')
  await settled()
  for (const member of members) for (const key of mine) assert.notEqual(idFor(member, key), 'a')
  held.release('ok')
  await until(() => control.registry.size === 2, Boolean)
})
