import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import {
  type Balancer,
  BalancerError,
  openBalancer,
  type PoolState,
  StateNotSavedError,
} from '../../../src/balancer/index.js'
import type { PoolChange } from '../../../src/balancer/state/change.js'
import type { StateKeeper } from '../../../src/balancer/state/keeper.js'
import { TestClock } from '../../support/clock.js'
import { seeded } from '../../support/random.js'
import { type GatewayStore, SharedStore } from '../../support/shared-store.js'

/** What the store has to have: each stored change makes one step, and no step is left out or made twice. */
interface Model {
  policy: string
  backends: Record<string, { weight: number; maxConnections: number | null; state: string }>
}

/** Backends that are changed by code, and not by calls. */
const isOfCode = (id: string) => id.startsWith('code')

function modelOf({ policy, backends }: PoolState): Model {
  const called = backends.filter(({ id }) => !isOfCode(id))
  return {
    policy: policy.name,
    backends: Object.fromEntries(
      called.map(({ id, weight, maxConnections = null, state }) => [id, { weight, maxConnections, state }]),
    ),
  }
}

function stepOf(model: Model, change: PoolChange | undefined): Model {
  const next = structuredClone(model)
  if (!change) return next
  if (change.kind === 'policy') next.policy = change.policy
  else if (change.kind === 'add') {
    next.backends[change.backend.id as string] = { weight: 1, maxConnections: null, state: 'active' }
  } else if (change.kind === 'remove') delete next.backends[change.id]
  else {
    const backend = next.backends[change.id]
    if (!backend) return { policy: 'none', backends: {} }
    if (change.kind === 'update') Object.assign(backend, change.patch)
    else backend.state = change.kind === 'drain' ? 'draining' : 'active'
  }
  return next
}

interface Gateway {
  balancer: Balancer
  keeper: StateKeeper
  store: GatewayStore
  /** The change that was planned last, and how often it was stored. */
  planned: { change: PoolChange; writes: number } | undefined
}

const ids = ['a', 'b', 'c', 'd']
const policies = ['round-robin', 'least-connections', 'power-of-two'] as const

/** Lets gateways make changes at random while they lose the store, miss messages, and get no answers. */
async function run(seed: number, wipes: boolean): Promise<void> {
  const random = seeded(seed)
  const below = (count: number) => Math.floor(random() * count)
  const oneOf = <T>(values: readonly T[]): T => values[below(values.length)] as T
  const shared = new SharedStore(() => below(4))
  const clock = new TestClock()
  const gateways: Gateway[] = []
  for (let i = 0; i < 3; i++) {
    const store = shared.gateway()
    const balancer = await openBalancer({ clock }, store)
    gateways.push({ balancer, keeper: balancer.keeper as StateKeeper, store, planned: undefined })
  }
  let model: Model = modelOf((shared.content as { state: PoolState }).state)
  /** All that the store had, one after the other. */
  const history = [model]
  let isRestoring = false
  shared.onWrite = (state, writer) => {
    const gateway = gateways.find(({ store }) => store === writer) as Gateway
    const { planned } = gateway
    gateway.planned = undefined
    if (!isRestoring) model = stepOf(model, planned?.change)
    history.push(model)
    if (planned) planned.writes++
    assert.deepEqual(modelOf(state), model, `seed ${seed}`)
  }

  const changeAt = async (gateway: Gateway): Promise<void> => {
    const id = oneOf(ids)
    const change = oneOf<PoolChange>([
      { kind: 'add', backend: { url: `http://${id}:1`, id } },
      { kind: 'add', backend: { url: `http://${id}:1`, id } },
      { kind: 'update', id, patch: { weight: 1 + below(9) } },
      { kind: 'update', id, patch: { maxConnections: 1 + below(9) } },
      { kind: 'drain', id, timeout: below(100) },
      { kind: 'activate', id },
      { kind: 'remove', id, force: random() < 0.5 },
      { kind: 'policy', policy: oneOf(policies) },
    ])
    const planned = { change, writes: 0 }
    const check = () => {
      gateway.planned = planned
    }
    const began = history.length - 1
    // What is said of the store has to have been so at some time since the change was asked for.
    const wasSo = (isSo: (model: Model) => boolean) =>
      assert.ok(history.slice(began).some(isSo), `seed ${seed}: ${JSON.stringify(change)}`)
    try {
      await gateway.keeper.change(change, { check, answer: () => undefined })
      if (planned.writes === 1) return
      // What is so already need not be stored.
      assert.ok(
        planned.writes === 0 && (change.kind === 'update' || change.kind === 'policy'),
        `seed ${seed}`,
      )
      wasSo((seen) => isDeepStrictEqual(stepOf(seen, change), seen))
    } catch (error) {
      if (!(error instanceof BalancerError)) throw error
      const isUnknown = error instanceof StateNotSavedError && error.effect === 'unknown'
      assert.ok(planned.writes === 0 || (planned.writes === 1 && isUnknown), `seed ${seed}: ${error.message}`)
      if (error.code === 'LEASTWISE_BACKEND_NOT_FOUND') wasSo(({ backends }) => !(id in backends))
      if (error.code === 'LEASTWISE_BACKEND_EXISTS') wasSo(({ backends }) => id in backends)
    } finally {
      if (gateway.planned === planned) gateway.planned = undefined
    }
  }

  const settle = async () => {
    for (let i = 0; i < 60; i++) await setImmediate()
  }
  const heal = async () => {
    for (const { store } of gateways) {
      store.isDeaf = false
      store.fault = undefined
      if (store.isAway) store.comeBack()
      else store.told()
    }
    await settle()
    clock.pass(5000)
    await settle()
  }

  const waiting: Promise<void>[] = []
  const codeWeights = new Map<string, number>()
  for (let step = 0; step < 40; step++) {
    const gateway = oneOf(gateways)
    const { store, balancer } = gateway
    const what = random()
    if (what < 0.65) waiting.push(changeAt(gateway))
    else if (what < 0.7) store.leave()
    else if (what < 0.78) {
      if (store.isAway) store.comeBack()
    } else if (what < 0.83) store.isDeaf = !store.isDeaf
    else if (what < 0.88) store.fault = oneOf(['lost', 'unanswered'] as const)
    else if (what < 0.93) {
      // Code changes a backend of its own at each gateway.
      const id = `code${gateways.indexOf(gateway)}`
      const weight = 1 + below(99)
      if (codeWeights.has(id)) balancer.registry.update(id, { weight })
      else balancer.registry.add({ url: `http://${id}:1`, id, weight })
      codeWeights.set(id, weight)
    } else if (wipes && what > 0.97) {
      await heal()
      await Promise.all(waiting)
      isRestoring = true
      shared.replace(undefined)
      await settle()
      isRestoring = false
    }
    if (random() < 0.5) for (let turns = below(6); turns > 0; turns--) await setImmediate()
  }
  await heal()
  await Promise.all(waiting)
  await heal()

  const views = gateways.map(({ balancer, keeper }) => {
    assert.deepEqual([keeper.failure, keeper.outOfStep], [undefined, undefined], `seed ${seed}`)
    const backends = balancer.registry
      .list()
      .map(({ id, url, weight, maxConnections, state, addedAt }) =>
        [id, url, weight, maxConnections, state, addedAt.toISOString()].join(' '),
      )
    return { policy: balancer.policy, backends: backends.sort() }
  })
  for (const view of views) assert.deepEqual(view, views[0], `seed ${seed}`)
  const { state } = shared.content as { state: PoolState }
  assert.deepEqual(modelOf(state), model, `seed ${seed}`)
  assert.equal(views[0]?.backends.length, state.backends.length)
  for (const { id, weight } of state.backends) if (isOfCode(id)) assert.equal(weight, codeWeights.get(id))
  const { saves } = shared
  await settle()
  assert.equal(shared.saves, saves, `seed ${seed}: they answer each other`)
  for (const { keeper, balancer } of gateways) {
    await keeper.close()
    balancer.close()
  }
}

const seeds = (count: number, from = 1) => Array.from({ length: count }, (_, i) => from + i)
const count = Number(process.env.FLEET_SEEDS ?? 20)

test('whatever goes wrong between gateways and their store, in the end all have what was stored', async () => {
  for (const seed of seeds(count)) await run(seed, false)
})

test('a store that is emptied every now and then loses nothing', async () => {
  for (const seed of seeds(count, 1000)) await run(seed, true)
})
