import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { PoolFleet } from '../../../../src/balancer/fleet/pool-fleet.js'
import type { SlotGrant, SlotRequest } from '../../../../src/balancer/fleet/slot-store.js'
import type { BalancerOptions } from '../../../../src/balancer/options.js'
import { openBalancer } from '../../../../src/balancer/state/open-balancer.js'
import { TestClock } from '../../../support/clock.js'
import { type GatewayStore, SharedStore } from '../../../support/shared-store.js'

const A = 'http://a:1'

/** A pool with a backend of limit 4, and a store that grants what it is told to. */
async function pool(options: BalancerOptions = {}) {
  const clock = new TestClock()
  const asked: SlotRequest[] = []
  const state = { most: 0, isAway: false }
  const slots: PoolFleet['slots'] = {
    get isAway() {
      return state.isAway
    },
    async lease(requests) {
      asked.push(...requests)
      return requests.map(({ url, held, wanted }): SlotGrant => {
        const slots = Math.max(held, Math.min(wanted, state.most))
        return { url, slots, share: slots }
      })
    },
    onNews: () => () => {},
  }
  const store: GatewayStore = new SharedStore().gateway()
  Object.assign(store, { fleet: { ...store.fleet, slots } })
  const backends = [{ url: A, id: 'a', maxConnections: 4 }]
  const balancer = await openBalancer({ clock, backends, slowStart: 0, ...options }, store)
  /** Lets time pass, and what was asked be answered. */
  const pass = async (milliseconds: number) => {
    for (let passed = 0; passed < milliseconds; passed += 25) {
      clock.pass(25)
      await setImmediate()
    }
  }
  return { balancer, registry: balancer.registry, asked, state, pass }
}

for (const policy of ['least-connections', 'round-robin', 'power-of-two', 'least-response-time']) {
  test(`${policy}: no backend with a limit is given a request before slots are granted`, async () => {
    const { balancer, registry, state, pass } = await pool({ policy })
    assert.equal(balancer.hasRoom(), false)
    assert.throws(() => balancer.acquire(), /every backend is at its maxConnections/)
    registry.add({ url: 'http://b:1', id: 'b', maxConnections: 2 })
    assert.throws(() => balancer.acquire(), /every backend is at its maxConnections/)
    registry.add({ url: 'http://c:1', id: 'c' })
    assert.equal(balancer.acquire().backend.id, 'c', 'one without a limit waits for nothing')
    registry.update('c', { maxConnections: 7 })
    assert.throws(() => balancer.acquire(), /every backend is at its maxConnections/)
    registry.update('c', { maxConnections: null })
    assert.equal(balancer.acquire().backend.id, 'c')
    registry.remove('c')
    state.most = 1
    await pass(1100)
    assert.deepEqual([balancer.acquire(), balancer.acquire()].map(({ backend }) => backend.id).sort(), [
      'a',
      'b',
    ])
    balancer.close()
  })
}

test('a request that waits is served when slots are granted', async () => {
  const { balancer, asked, state, pass } = await pool()
  const granted: string[] = []
  const request = (name: string) =>
    balancer.lease({
      onLease: () => granted.push(name),
      onReject: (error) => granted.push(`${name}: ${error.message}`),
    })
  for (const name of ['first', 'second', 'third']) request(name)
  await pass(50)
  assert.deepEqual(asked.at(-1)?.needed, 3)
  state.most = 2
  await pass(300)
  assert.deepEqual(granted, ['first', 'second'])
  state.most = 4
  await pass(300)
  assert.deepEqual(granted, ['first', 'second', 'third'])
  balancer.close()
})

test('it is said how many slots this gateway has, where it has not all', async () => {
  const { balancer, registry, state, pass } = await pool()
  state.most = 1
  await pass(1100)
  balancer.acquire()
  const [told] = balancer.explain().backends
  assert.deepEqual(
    [told?.reason, told?.maxConnections, registry.get('a').view().maxConnections],
    ['full: 1 of 1, which is what this gateway has of 4 now', 4, 4],
  )
  balancer.close()
})

test('a backend that is drained gives its slots back, and has them again when it is active', async () => {
  const { balancer, registry, asked, state, pass } = await pool()
  state.most = 4
  await pass(1100)
  const lease = balancer.acquire()
  await pass(100)
  registry.drain('a')
  await pass(12_000)
  assert.deepEqual([asked.at(-1)?.held, asked.at(-1)?.wanted], [1, 1])
  lease.release('ok')
  await pass(12_000)
  assert.deepEqual([asked.at(-1)?.held, asked.at(-1)?.wanted], [0, 0])
  registry.activate('a')
  await pass(1100)
  assert.equal(balancer.acquire().backend.id, 'a')
  balancer.close()
})
