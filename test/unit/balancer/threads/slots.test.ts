import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { FleetPool } from '../../../../src/balancer/fleet/fleet-pool.js'
import type { SlotGrant, SlotRequest } from '../../../../src/balancer/fleet/slot-store.js'
import { sharedPool } from '../../../support/pool-members.js'

/** Two workers that share a backend of limit 6, of which the store grants `state.most` slots. */
async function pool(t: Parameters<typeof sharedPool>[0], policy: string) {
  const backends = [{ url: 'http://a:1', id: 'a', maxConnections: 6 }]
  const made = sharedPool(t, { members: 2, policy, backends, slowStart: 0 })
  const state = { most: 0 }
  const asked: SlotRequest[] = []
  const { control, clock } = made
  const counts = { join: () => () => {} }
  const slots = {
    isAway: false,
    lease: async (requests: readonly SlotRequest[]) => {
      asked.push(...requests)
      return requests.map(({ url, held, wanted }): SlotGrant => {
        const slots = Math.max(held, Math.min(wanted, state.most))
        return { url, slots, share: slots }
      })
    },
    onNews: () => () => {},
  }
  control.parts.fleet = new FleetPool(control.parts, { counts, slots })
  await made.settled()
  const pass = async (milliseconds: number) => {
    for (let passed = 0; passed < milliseconds; passed += 25) {
      clock.pass(25)
      await setImmediate()
    }
  }
  return { ...made, asked, state, pass }
}

for (const policy of ['least-connections', 'round-robin', 'weighted-round-robin', 'power-of-two']) {
  test(`${policy}: workers together use the slots that the control plane has leased`, async (t) => {
    const { members, control, asked, state, pass, settled } = await pool(t, policy)
    const [first, second] = members
    assert.ok(first && second)
    assert.throws(() => first.acquire(), /every backend is at its maxConnections/)
    state.most = 3
    await pass(1100)
    const leases = [first.acquire()]
    await pass(1100)
    leases.push(second.acquire())
    await pass(1100)
    leases.push(first.acquire())
    assert.equal(control.registry.get('a').inFlight, 3)
    for (const member of members) {
      assert.throws(() => member.acquire(), /every backend is at its maxConnections/)
      assert.equal(member.registry.get('a').view().maxConnections, 6)
      assert.equal(member.registry.get('a').slots, 3)
    }
    const served: number[] = []
    for (const [i, member] of members.entries()) {
      member.lease({ onLease: () => served.push(i), onReject: assert.fail })
    }
    await pass(300)
    assert.deepEqual([served, asked.at(-1)?.needed], [[], 5])
    state.most = 5
    await pass(600)
    assert.deepEqual(served.sort(), [0, 1])
    control.registry.update('a', { maxConnections: null })
    await settled()
    assert.equal(first.acquire().backend.id, 'a', 'no limit, and nothing to wait for')
    control.registry.update('a', { maxConnections: 2 })
    await settled()
    assert.throws(() => second.acquire(), /every backend is at its maxConnections/)
    for (const lease of leases) lease.release('ok')
  })
}
