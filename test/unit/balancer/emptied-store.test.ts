import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type Balancer, type BalancerOptions, openBalancer } from '../../../src/balancer/index.js'
import type { StateKeeper } from '../../../src/balancer/state/keeper.js'
import { TestClock } from '../../support/clock.js'
import { type GatewayStore, SharedStore } from '../../support/shared-store.js'

const clock = new TestClock()

async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await setImmediate()
}

const open = (store: GatewayStore, options: BalancerOptions) =>
  openBalancer({ clock, slowStart: 0, ...options }, store)

const ids = ({ registry }: Balancer) =>
  registry
    .list()
    .map(({ id }) => id)
    .sort()

test('what a gateway has that found the store empty is not lost where the others write again what the store had', async () => {
  const shared = new SharedStore()
  const one = await open(shared.gateway(), {})
  const keeper = one.keeper as StateKeeper
  for (const id of ['a', 'b', 'c'])
    await keeper.change({ kind: 'add', backend: { url: `http://${id}:1`, id } }, { answer: () => undefined })
  await keeper.change({ kind: 'remove', id: 'c', force: false }, { answer: () => undefined })
  const [store] = shared.gateways as [GatewayStore]
  store.leave()
  shared.content = undefined
  const late = await open(shared.gateway(), { backends: [{ url: 'http://d:1', id: 'd' }] })
  await settled()
  assert.deepEqual(ids(late), ['d'])
  await (late.keeper as StateKeeper).change(
    { kind: 'add', backend: { url: 'http://x:1', id: 'x' } },
    { answer: () => undefined },
  )
  store.comeBack()
  store.told()
  await settled()
  assert.equal(shared.restored, 1)
  for (const gateway of [one, late]) assert.deepEqual(ids(gateway), ['a', 'b', 'd', 'x'])
})
