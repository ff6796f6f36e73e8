import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import {
  type Balancer,
  type BalancerOptions,
  InvalidBackendError,
  openBalancer,
  type PoolState,
} from '../../../src/balancer/index.js'
import type { BackendChange, ChangeablePool, PoolChange } from '../../../src/balancer/state/change.js'
import type { StateKeeper } from '../../../src/balancer/state/keeper.js'
import { TestClock } from '../../support/clock.js'
import { type GatewayStore, SharedStore } from '../../support/shared-store.js'

interface Gateway {
  balancer: Balancer
  registry: Balancer['registry']
  keeper: StateKeeper
  store: GatewayStore
  told: string[]
  /** Makes a change as the admin API does. */
  change(change: PoolChange, check?: (pool: ChangeablePool) => void): Promise<string | undefined>
}

const clock = new TestClock()

async function open(store: GatewayStore, options: BalancerOptions = {}): Promise<Gateway> {
  const balancer = await openBalancer({ clock, slowStart: 0, ...options }, store)
  const keeper = balancer.keeper as StateKeeper
  const told: string[] = []
  for (const event of ['failed', 'recovered', 'joined', 'restored', 'outOfStep', 'inStep'] as const)
    keeper.on(event, (error?: Error) => told.push(error ? `${event}: ${error.message}` : event))
  return {
    balancer,
    registry: balancer.registry,
    keeper,
    store,
    told,
    change: (change, check) => keeper.change(change, { check, answer: (backend) => backend?.id }),
  }
}

async function fleet(count: number, options: BalancerOptions = {}): Promise<[SharedStore, ...Gateway[]]> {
  const shared = new SharedStore()
  const gateways = await Promise.all(Array.from({ length: count }, () => open(shared.gateway(), options)))
  await settled()
  return [shared, ...gateways]
}

async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await setImmediate()
}

const viewsOf = ({ balancer, registry }: Gateway) => [
  balancer.policy,
  ...registry
    .list()
    .map(({ id, url, weight, maxConnections, state, addedAt, tls }) =>
      JSON.stringify({ id, url, weight, maxConnections, state, addedAt, tls }),
    )
    .sort(),
]

function assertEqual(...gateways: Gateway[]): void {
  const [first, ...others] = gateways.map(viewsOf)
  for (const other of others) assert.deepEqual(other, first)
}

const add = (id: string): BackendChange => ({ kind: 'add', backend: { url: `http://${id}:1`, id } })
const standOf = ({ registry }: Gateway) =>
  registry.list().map(({ id, weight, state }) => `${id} ${weight} ${state}`)

test('a change is stored before it is in force, and then is in force everywhere', async () => {
  const [shared, one, other] = (await fleet(2)) as [SharedStore, Gateway, Gateway]
  let seen = -1
  one.store.before = () => {
    seen = one.registry.size
  }
  assert.equal(await one.change(add('a')), 'a')
  assert.deepEqual([seen, shared.content?.state.backends.length], [0, 1])
  await settled()
  assertEqual(one, other)
  const backend = other.registry.get('a')
  const lease = other.balancer.acquire()
  await one.change({ kind: 'update', id: 'a', patch: { weight: 5, maxConnections: 7 } })
  await settled()
  assert.equal(other.registry.get('a'), backend, 'the counts are kept')
  assert.deepEqual([backend.weight, backend.maxConnections, backend.inFlight], [5, 7, 1])
  lease.release('ok')
  await one.change({ kind: 'policy', policy: 'round-robin' })
  await other.change({ kind: 'drain', id: 'a' })
  await settled()
  assertEqual(one, other)
  assert.deepEqual(standOf(one), ['a 5 draining'])
  await other.change({ kind: 'remove', id: 'a', force: false })
  await settled()
  assert.deepEqual([standOf(one), standOf(other), shared.content?.state.backends], [[], [], []])
  const { saves } = shared
  await settled()
  assert.equal(shared.saves, saves, 'they do not answer each other')
})

test('changes of different fields at two gateways both survive, and of the same field the last', async () => {
  const [, one, other] = (await fleet(2)) as [SharedStore, Gateway, Gateway]
  await one.change(add('a'))
  await settled()
  // Each begins before it hears of the other.
  one.store.isDeaf = true
  other.store.isDeaf = true
  await Promise.all([
    one.change({ kind: 'update', id: 'a', patch: { weight: 3 } }),
    other.change({ kind: 'update', id: 'a', patch: { maxConnections: 9 } }),
  ])
  await one.change({ kind: 'update', id: 'a', patch: { healthPort: 81 } })
  for (const { registry } of [one]) {
    const { weight, maxConnections, healthPort } = registry.get('a')
    assert.deepEqual([weight, maxConnections, healthPort], [3, 9, 81])
  }
  await one.change({ kind: 'update', id: 'a', patch: { weight: 4 } })
  await other.change({ kind: 'update', id: 'a', patch: { weight: 5 } })
  await one.change({ kind: 'update', id: 'a', patch: {} })
  assert.equal(other.registry.get('a').weight, 5)
  one.store.isDeaf = false
  other.store.isDeaf = false
  await other.change({ kind: 'update', id: 'a', patch: { healthPort: 82 } })
  await settled()
  assertEqual(one, other)
})

test('errors of a change are those of the newest state, and change nothing', async () => {
  const [shared, one, other] = (await fleet(2)) as [SharedStore, Gateway, Gateway]
  await one.change(add('a'))
  await settled()
  other.store.isDeaf = true
  await one.change(add('b'))
  const { saves } = shared
  // The other one learns of it by the conflict, and says so.
  await assert.rejects(other.change(add('b')), { code: 'LEASTWISE_BACKEND_EXISTS' })
  assert.deepEqual(standOf(other), ['a 1 active', 'b 1 active'])
  await assert.rejects(other.change({ kind: 'drain', id: 'x' }), { code: 'LEASTWISE_BACKEND_NOT_FOUND' })
  await assert.rejects(other.change({ kind: 'update', id: 'a', patch: { weight: 0 } }), {
    code: 'LEASTWISE_INVALID_BACKEND',
  })
  await assert.rejects(other.change({ kind: 'policy', policy: 'none' }), { code: 'LEASTWISE_UNKNOWN_POLICY' })
  const refuse = () => {
    throw new Error('no')
  }
  await assert.rejects(other.change({ kind: 'drain', id: 'a' }, refuse), { message: 'no' })
  assert.deepEqual([shared.saves, standOf(other), other.told], [saves, standOf(one), []])
})

test('what was answered at one gateway is known at every other, even before it has heard of it', async () => {
  const [, one, other] = (await fleet(2)) as [SharedStore, Gateway, Gateway]
  other.store.isDeaf = true
  await one.change(add('a'))
  await other.change({ kind: 'drain', id: 'a' })
  await one.change({ kind: 'update', id: 'a', patch: { weight: 5 } })
  // It is 1 as far as the other one knows.
  await other.change({ kind: 'update', id: 'a', patch: { weight: 1 } })
  await one.change({ kind: 'policy', policy: 'round-robin' })
  await other.change({ kind: 'policy', policy: 'least-connections' })
  one.store.told()
  await settled()
  assertEqual(one, other)
  assert.deepEqual([standOf(one), one.balancer.policy], [['a 1 draining'], 'least-connections'])
  const weights: number[] = []
  const check = ({ registry }: ChangeablePool) => {
    weights.push(registry.get('a').weight)
    if (registry.get('a').weight === 1) throw new Error('another one')
  }
  await one.change({ kind: 'update', id: 'a', patch: { weight: 2 } })
  await other.change({ kind: 'update', id: 'a', patch: { weight: 3 } }, check)
  assert.deepEqual([weights, other.registry.get('a').weight], [[1, 2], 3])
})

test('a condition is looked at in the same step as the change', async () => {
  const [, one, other] = (await fleet(2)) as [SharedStore, Gateway, Gateway]
  await one.change(add('a'))
  await settled()
  other.store.isDeaf = true
  const weights: number[] = []
  const check = ({ registry }: ChangeablePool) => {
    weights.push(registry.get('a').weight)
    if (registry.get('a').weight !== 1) throw new Error('somebody was faster')
  }
  other.store.before = () => one.change({ kind: 'update', id: 'a', patch: { weight: 2 } }) as Promise<never>
  await assert.rejects(other.change({ kind: 'update', id: 'a', patch: { weight: 3 } }, check), /faster/)
  assert.deepEqual([weights, other.registry.get('a').weight], [[1, 2], 2])
})

test('files of a backend are looked at before the store has them', async () => {
  const shared = new SharedStore()
  let isThere = false
  const verifyTls = () => {
    if (!isThere) throw new InvalidBackendError('ca', 'cannot be read')
  }
  const one = await open(shared.gateway(), { verifyTls })
  const other = await open(shared.gateway())
  const backend = { url: 'https://a:1', id: 'a', ca: 'ca.pem' }
  await assert.rejects(one.change({ kind: 'add', backend }), { message: 'ca cannot be read' })
  assert.deepEqual(shared.content?.state.backends, [])
  // Where another gateway has the file, this one keeps what it has, and says so.
  await other.change({ kind: 'add', backend })
  await settled()
  assert.deepEqual([standOf(one), one.told], [[], ['outOfStep: ca cannot be read']])
  assert.equal(one.keeper.outOfStep?.message, 'ca cannot be read')
  await assert.rejects(one.change(add('b')), {
    code: 'LEASTWISE_STATE_NOT_SAVED',
    message:
      'nothing was changed: the shared store cannot be written: what it has cannot be used here: ca cannot be read',
  })
  assert.deepEqual(standOf(other), ['a 1 active'])
  isThere = true
  clock.pass(5000)
  await settled()
  assertEqual(one, other)
  assert.deepEqual(one.told, ['outOfStep: ca cannot be read', 'inStep'])
})

test('content of a newer version stops a start, and a gateway that runs keeps what it has', async () => {
  const [shared, one] = (await fleet(1, { backends: ['http://a:1'] })) as [SharedStore, Gateway]
  const newer = { ...shared.content?.state, shiny: true } as unknown as PoolState
  shared.content = { state: newer, revision: '9-z' }
  one.store.told()
  await settled()
  const complaint = 'it has a field that is not known: "shiny"'
  assert.deepEqual([standOf(one), one.told], [['a-1 1 active'], [`outOfStep: ${complaint}`]])
  await assert.rejects(open(shared.gateway()), { code: 'LEASTWISE_STORE', message: new RegExp(complaint) })
  assert.equal(shared.content.revision, '9-z', 'it is not overwritten')
})

test('while the store is away changes are refused at once, and nothing has changed', async () => {
  const [shared, one, other] = (await fleet(2)) as [SharedStore, Gateway, Gateway]
  await one.change(add('a'))
  await settled()
  one.store.leave()
  await assert.rejects(one.change({ kind: 'drain', id: 'a' }), {
    code: 'LEASTWISE_STATE_NOT_SAVED',
    message: 'nothing was changed: the shared store cannot be written: it does not answer',
    effect: 'nothing',
  })
  await other.change({ kind: 'update', id: 'a', patch: { weight: 8 } })
  await settled()
  assert.deepEqual(standOf(one), ['a 1 active'])
  one.store.comeBack()
  await settled()
  assertEqual(one, other)
  assert.deepEqual([one.told, one.keeper.failure, shared.restored], [[], undefined, 0])
})

test('what an unanswered save has become is what the store says', async () => {
  for (const fault of ['lost', 'unanswered'] as const) {
    const [, one, other] = (await fleet(2)) as [SharedStore, Gateway, Gateway]
    await one.change(add('a'))
    await settled()
    one.store.fault = fault
    await assert.rejects(one.change({ kind: 'update', id: 'a', patch: { weight: 6 } }), {
      code: 'LEASTWISE_STATE_NOT_SAVED',
      message: /^it is not known whether the change was made/,
      effect: 'unknown',
    })
    assert.deepEqual(standOf(one), ['a 1 active'])
    one.store.comeBack()
    await settled()
    assert.deepEqual(standOf(one), [fault === 'lost' ? 'a 1 active' : 'a 6 active'], fault)
    assertEqual(one, other)
  }
})

test('a store that refuses a save has changed nothing', async () => {
  const [, one] = (await fleet(1)) as [SharedStore, Gateway]
  one.store.refusal = new Error('OOM command not allowed')
  await assert.rejects(one.change(add('a')), { message: /^nothing was changed: .*OOM/ })
  assert.deepEqual(standOf(one), [])
  // Code has changed the pool already, which is told.
  one.registry.add({ url: 'http://b:1', id: 'b' })
  await settled()
  assert.match(one.told.join(), /^failed: the change is in force, and not stored: .*OOM/)
  one.store.refusal = undefined
  clock.pass(5000)
  await settled()
  assert.deepEqual([one.told.at(-1), one.keeper.failure], ['recovered', undefined])
})

test('a call counts more than what code did before, and was stored together with it', async () => {
  const [, one, other] = (await fleet(2)) as [SharedStore, Gateway, Gateway]
  await one.change(add('a'))
  one.store.refusal = new Error('OOM')
  one.registry.update('a', { weight: 3, maxConnections: 7 })
  await settled()
  one.store.refusal = undefined
  await one.change({ kind: 'update', id: 'a', patch: { weight: 5 } })
  await settled()
  assertEqual(one, other)
  const { weight, maxConnections } = other.registry.get('a')
  assert.deepEqual([weight, maxConnections], [5, 7])
})

test('the times and the force of a departure reach the other gateways', async () => {
  const [, one, other] = (await fleet(2, { drainTimeout: 30_000 })) as [SharedStore, Gateway, Gateway]
  const cut: string[] = []
  other.registry.on('cut', ({ id }, requests) => cut.push(`${id} ${requests}`))
  for (const id of ['a', 'b', 'c', 'd']) {
    await one.change(add(id))
    await settled()
    other.balancer.acquire()
  }
  await one.change({ kind: 'drain', id: 'a', timeout: 100 })
  await one.change({ kind: 'remove', id: 'b', force: false, timeout: 200 })
  await one.change({ kind: 'remove', id: 'c', force: true })
  await settled()
  assert.deepEqual(cut, ['c 1'])
  // A change of something else does not begin the drain anew.
  clock.pass(60)
  await one.change({ kind: 'update', id: 'a', patch: { weight: 2 } })
  await settled()
  clock.pass(60)
  assert.deepEqual(cut, ['c 1', 'a 1'])
  clock.pass(100)
  assert.deepEqual(cut, ['c 1', 'a 1', 'b 1'])
  await other.change({ kind: 'remove', id: 'd', force: false })
  await settled()
  assert.equal(standOf(one).includes('d 1 active'), false)
  assert.ok(standOf(other).includes('d 1 draining'))
  // It is gone at the one, and leaves at the other: what is asked there is done there.
  await other.change({ kind: 'update', id: 'd', patch: { weight: 9 } })
  assert.equal(other.registry.get('d').weight, 9)
  await other.change({ kind: 'remove', id: 'd', force: true })
  assert.deepEqual(cut.at(-1), 'd 1')
  await settled()
  assertEqual(one, other)
})

test('a gateway that hears of several changes at once carries out each', async () => {
  const [, one, other] = (await fleet(2)) as [SharedStore, Gateway, Gateway]
  const cut: string[] = []
  other.registry.on('cut', ({ id }) => cut.push(id))
  for (const id of ['a', 'b']) await one.change(add(id))
  await settled()
  const leases = [other.balancer.acquire(), other.balancer.acquire()]
  await one.change({ kind: 'remove', id: 'b', force: false })
  await settled()
  other.store.isDeaf = true
  await one.change({ kind: 'drain', id: 'a', timeout: 100 })
  await one.change({ kind: 'update', id: 'a', patch: { weight: 2 } })
  await one.change(add('b'))
  await one.change({ kind: 'drain', id: 'b' })
  other.store.isDeaf = false
  other.store.told()
  await settled()
  assertEqual(one, other)
  clock.pass(100)
  assert.deepEqual(cut, ['a'])
  for (const lease of leases) lease.release('ok')
  assert.deepEqual(standOf(other).sort(), ['a 2 draining', 'b 1 draining'], 'its removal was taken back')
})

test('a removal that is under way is taken back everywhere', async () => {
  const [, one, other] = (await fleet(2)) as [SharedStore, Gateway, Gateway]
  await one.change(add('a'))
  await settled()
  const lease = other.balancer.acquire()
  await one.change({ kind: 'remove', id: 'a', force: false })
  await settled()
  assert.deepEqual([standOf(one), standOf(other)], [[], ['a 1 draining']])
  await other.change({ kind: 'activate', id: 'a' })
  await settled()
  assertEqual(one, other)
  lease.release('ok')
  assert.deepEqual(standOf(other), ['a 1 active'])
})

test('an activation ends an ejection at every gateway', async () => {
  const options = { ejectConsecutive: 1, ejectMaxPercent: 100 }
  const [, one, other] = (await fleet(2, options)) as [SharedStore, Gateway, Gateway]
  await one.change(add('a'))
  await settled()
  const gateways = [one, other]
  for (const { balancer } of gateways) balancer.acquire().release('failed')
  const isEjected = () => gateways.map(({ registry }) => registry.get('a').isEjected)
  assert.deepEqual(isEjected(), [true, true])
  await one.change({ kind: 'activate', id: 'a' })
  await settled()
  assert.deepEqual(isEjected(), [false, false])
})

test('what code changes is in force at once, is stored, and wins over what is older', async () => {
  const [shared, one, other] = (await fleet(2)) as [SharedStore, Gateway, Gateway]
  await one.change(add('a'))
  await one.change(add('b'))
  await settled()
  one.store.leave()
  await other.change({ kind: 'update', id: 'a', patch: { weight: 2, maxConnections: 5 } })
  await other.change({ kind: 'remove', id: 'b', force: false })
  one.registry.update('a', { weight: 3 })
  one.registry.update('b', { weight: 3 })
  one.registry.add({ url: 'http://c:1', id: 'c' })
  one.balancer.policy = 'round-robin'
  assert.deepEqual(standOf(one), ['a 3 active', 'b 3 active', 'c 1 active'])
  await settled()
  assert.match(one.told.join(), /^failed: the change is in force, and not stored/)
  one.store.comeBack()
  await settled()
  assertEqual(one, other)
  assert.deepEqual([standOf(one), one.registry.get('a').maxConnections], [['a 3 active', 'c 1 active'], 5])
  assert.deepEqual([one.told.at(-1), other.balancer.policy], ['recovered', 'round-robin'])
  other.registry.remove('a')
  await other.keeper.saved()
  await settled()
  assertEqual(one, other)
  assert.deepEqual(
    shared.content?.state.backends.map(({ id }) => id),
    ['c'],
  )
})

test('an emptied or an older store is written again, once, and no backend is dropped', async () => {
  const [shared, one, other, third] = (await fleet(3)) as [SharedStore, Gateway, Gateway, Gateway]
  await one.change(add('a'))
  await settled()
  const old = structuredClone(shared.content)
  await one.change(add('b'))
  await settled()
  for (const content of [undefined, old]) {
    shared.content = structuredClone(content)
    shared.restored = 0
    for (const { store, told } of [one, other, third]) {
      told.length = 0
      store.told()
    }
    await settled()
    assert.equal(shared.restored, 1)
    assert.deepEqual(
      [one, other, third].flatMap(({ told }) => told),
      ['restored'],
    )
    assertEqual(one, other, third)
    assert.deepEqual(standOf(one), ['a 1 active', 'b 1 active'])
  }
  // A change that finds the store empty puts it right first.
  shared.content = undefined
  await other.change(add('c'))
  await settled()
  assertEqual(one, other, third)
  assert.deepEqual(standOf(third), ['a 1 active', 'b 1 active', 'c 1 active'])
})

test('of a fork with the same number the store counts', async () => {
  const [shared, one, other] = (await fleet(2)) as [SharedStore, Gateway, Gateway]
  await one.change(add('a'))
  await settled()
  const { state, revision } = shared.content as NonNullable<SharedStore['content']>
  const [backend] = state.backends
  assert.ok(backend)
  backend.weight = 77
  shared.content = { state, revision: `${String(revision).split('-')[0]}-fork` }
  for (const { store } of [one, other]) store.told()
  await settled()
  assertEqual(one, other)
  assert.deepEqual([standOf(one), shared.restored], [['a 77 active'], 0])
})

test('a pool that begins without its store refuses changes, and joins as a start would have', async () => {
  const shared = new SharedStore()
  const one = await open(shared.gateway(), { backends: ['http://a:1', 'http://b:1'] })
  await one.change(add('c'))
  await one.change({ kind: 'update', id: 'a-1', patch: { weight: 4 } })
  await one.change({ kind: 'remove', id: 'b-1', force: false })
  const store = shared.gateway()
  store.isAway = true
  const backends = ['http://a:1', 'http://b:1', 'http://d:1']
  const other = await open(store, { backends })
  assert.deepEqual(standOf(other), ['a-1 1 active', 'b-1 1 active', 'd-1 1 active'])
  assert.equal(other.keeper.awayAtStart?.message, 'it does not answer')
  await assert.rejects(other.change(add('x')), { message: /^nothing was changed/ })
  store.comeBack()
  await settled()
  assert.deepEqual([other.told, other.keeper.awayAtStart], [['joined'], undefined])
  assertEqual(one, other)
  assert.deepEqual(standOf(other).sort(), ['a-1 4 active', 'c 1 active', 'd-1 1 active'])
})

test('a pool that begins without its store leaves an empty one to those who know what it had', async () => {
  const shared = new SharedStore()
  const one = await open(shared.gateway(), { backends: ['http://a:1'] })
  await one.change(add('c'))
  const store = shared.gateway()
  store.isAway = true
  const clock = new TestClock()
  const other = await open(store, { backends: ['http://a:1', 'http://d:1'], clock })
  shared.content = undefined
  store.comeBack()
  await settled()
  assert.equal(shared.content, undefined)
  await assert.rejects(other.change(add('x')), { message: /^nothing was changed.*it is empty/ })
  // The other gateway is back, and writes what it knows.
  for (const it of shared.gateways) it.told()
  await settled()
  clock.pass(5000)
  await settled()
  assertEqual(one, other)
  assert.deepEqual(standOf(other).sort(), ['a-1 1 active', 'c 1 active', 'd-1 1 active'])
})

test('a pool that begins without its store writes an empty one where nobody else does', async () => {
  const shared = new SharedStore()
  const store = shared.gateway()
  store.isAway = true
  const clock = new TestClock()
  const one = await open(store, { backends: ['http://a:1'], clock })
  store.comeBack()
  await settled()
  assert.equal(shared.content, undefined)
  clock.pass(5000)
  await settled()
  assert.deepEqual(one.told, ['joined'])
  await one.change(add('c'))
  assert.deepEqual(standOf(one).sort(), ['a-1 1 active', 'c 1 active'])
})

test('gateways that start at once on an empty store have one state', async () => {
  const shared = new SharedStore()
  const backends = ['http://a:1', 'http://b:1']
  const gateways = await Promise.all(
    [1, 2, 3].map((n) => {
      const own = new TestClock()
      own.pass(n)
      return open(shared.gateway(), { backends, clock: own })
    }),
  )
  await settled()
  assertEqual(...gateways)
  assert.deepEqual([shared.saves, gateways.flatMap(({ told }) => told)], [1, []])
})

test('of different configurations the last one counts, and nobody answers for ever', async () => {
  const shared = new SharedStore()
  const one = await open(shared.gateway(), { backends: ['http://a:1', 'http://b:1'] })
  const other = await open(shared.gateway(), { backends: ['http://a:1', 'http://c:1'] })
  await settled()
  assertEqual(one, other)
  assert.deepEqual(standOf(one), ['a-1 1 active', 'c-1 1 active'])
  one.balancer.configure({ backends: ['http://a:1', 'http://d:1'] })
  await settled()
  assertEqual(one, other)
  assert.deepEqual(standOf(other).sort(), ['a-1 1 active', 'c-1 1 active', 'd-1 1 active'])
  const { saves } = shared
  await other.change({ kind: 'update', id: 'a-1', patch: { weight: 2 } })
  await settled()
  assert.equal(shared.saves, saves + 1)
  for (const { keeper, store } of [one, other]) {
    await keeper.close()
    assert.equal(store.listeners, 0)
  }
  await assert.rejects(one.change(add('x')), { message: /it is closed/ })
})
