import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import {
  type BackendStore,
  type Balancer,
  type BalancerOptions,
  openBalancer,
  type PoolState,
  StoreConflictError,
  type StoreRevision,
} from '../../../src/balancer/index.js'
import type { StateKeeper } from '../../../src/balancer/state/keeper.js'
import { TestClock } from '../../support/clock.js'

/** A store in memory whose saves wait for `finish` once `hold` is set. */
class TestStore {
  readonly name = 'the test store'
  saves: PoolState[] = []
  hold = false
  closed = false
  #held: ((error?: Error) => void)[] = []

  constructor(state?: unknown) {
    if (state) this.saves.push(state as PoolState)
  }

  get last(): PoolState {
    return this.saves.at(-1) as PoolState
  }

  load = async () => structuredClone(this.saves.at(-1))

  async save(state: PoolState): Promise<void> {
    if (this.hold) {
      await new Promise<void>((resolve, reject) => {
        this.#held.push((error) => (error ? reject(error) : resolve()))
      })
    }
    this.saves.push(structuredClone(state))
  }

  /** Ends the save that is under way, which is one at most. */
  async finish(error?: Error): Promise<void> {
    await setImmediate()
    assert.equal(this.#held.length, 1, 'one save at a time')
    this.#held.pop()?.(error)
    await setImmediate()
  }

  close = async () => {
    this.closed = true
  }
}

/** What several pools share: it refuses what was not made from its latest revision, and tells the others of each save. */
class SharedMemory {
  #state: PoolState | undefined
  #revision = 0
  readonly #listeners = new Set<() => void>()

  store(): BackendStore {
    let own: (() => void) | undefined
    return {
      name: 'the shared memory',
      load: async () => this.#state && { state: structuredClone(this.#state), revision: this.#revision },
      save: async (state: PoolState, expectedRevision?: StoreRevision) => {
        assert.ok(this.#revision < 100, 'pools answer each other for ever')
        if ((expectedRevision ?? 0) !== this.#revision) throw new StoreConflictError('the shared memory')
        this.#state = structuredClone(state)
        this.#revision++
        for (const listener of this.#listeners) if (listener !== own) listener()
        return this.#revision
      },
      watch: (onChange) => {
        own = onChange
        this.#listeners.add(onChange)
        return () => this.#listeners.delete(onChange)
      },
    }
  }

  get saves(): number {
    return this.#revision
  }

  get listeners(): number {
    return this.#listeners.size
  }
}

async function open(options: BalancerOptions = {}, store = new TestStore()) {
  const clock = new TestClock()
  const balancer = await openBalancer({ clock, ...options }, store)
  const keeper = balancer.keeper as StateKeeper
  const told: string[] = []
  keeper.on('failed', ({ message }) => told.push(message))
  keeper.on('recovered', () => told.push('recovered'))
  return { balancer, registry: balancer.registry, keeper, store, clock, told }
}

const full = () => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
const ids = ({ backends }: PoolState) => backends.map(({ id }) => id)

test('what changes while a save is under way goes into the next one, and everybody waits for his own', async () => {
  const { registry, keeper, store } = await open()
  assert.equal(store.saves.length, 1, 'written at the start')
  store.hold = true
  const order: string[] = []
  const add = (id: string) => {
    registry.add({ url: `http://${id}:1`, id })
    return keeper.saved().then(() => order.push(id))
  }
  const first = add('first')
  await setImmediate()
  const others = Array.from({ length: 100 }, (_, i) => add(`b${i}`))
  await store.finish()
  await first
  assert.deepEqual(order, ['first'])
  assert.deepEqual(ids(store.last), ['first'])
  await store.finish()
  await Promise.all(others)
  assert.deepEqual([ids(store.last).length, store.saves.length], [101, 3])
})

test('nobody waits for ever for a store that hangs, and it is given one save at a time', async () => {
  const { registry, keeper, store, clock, told } = await open()
  store.hold = true
  registry.add({ url: 'http://a:1', id: 'a' })
  const first = keeper.saved()
  await setImmediate()
  clock.pass(10_000)
  await assert.rejects(first, /the test store cannot be written: it takes longer than 10 seconds/)
  assert.deepEqual([told.length, keeper.failures], [1, 1])
  registry.add({ url: 'http://b:1', id: 'b' })
  const second = keeper.saved()
  await setImmediate()
  clock.pass(10_000)
  await assert.rejects(second, /10 seconds/)
  // It goes on after all.
  await store.finish()
  clock.pass(5000)
  await store.finish()
  assert.deepEqual([ids(store.last), told.at(-1)], [['a', 'b'], 'recovered'])

  registry.add({ url: 'http://c:1', id: 'c' })
  const closed = keeper.close()
  await setImmediate()
  clock.pass(10_000)
  await closed
  assert.ok(store.closed)
})

test('every change is saved by itself, and none twice', async () => {
  const { balancer, registry, keeper, store } = await open({ backends: [{ url: 'http://a:1', id: 'a' }] })
  const changes: [string, () => unknown, (state: PoolState) => unknown, unknown][] = [
    ['add', () => registry.add({ url: 'http://b:1', id: 'b' }), ids, ['a', 'b']],
    ['update', () => registry.update('b', { weight: 3 }), ({ backends }) => backends[1]?.weight, 3],
    ['drain', () => registry.drain('b'), ({ backends }) => backends[1]?.state, 'draining'],
    ['activate', () => registry.activate('b'), ({ backends }) => backends[1]?.state, 'active'],
    ['remove', () => registry.remove('a'), ({ removed }) => removed.map(({ url }) => url), ['http://a:1']],
    ['policy', () => (balancer.policy = 'round-robin'), ({ policy }) => policy.name, 'round-robin'],
  ]
  for (const [name, change, look, expected] of changes) {
    const before = store.saves.length
    change()
    await setImmediate()
    assert.deepEqual(look(store.last), expected, name)
    assert.equal(store.saves.length, before + 1, name)
  }
  const { length } = store.saves
  registry.setHealth('b', 'unhealthy')
  registry.update('b', { weight: 3 })
  await keeper.saved()
  assert.equal(store.saves.length, length, 'nothing to remember')
})

test('a pool begins as the store remembers it, without a ramp', async () => {
  const { balancer, registry, keeper, store } = await open({ backends: ['http://a:1', 'http://b:1'] })
  registry.add({ url: 'http://c:1', id: 'c', weight: 7, maxConnections: 5, hostHeader: 'backend' })
  registry.update('c', { backup: true, healthPort: 9000, healthHost: 'shop.example' })
  registry.add({ url: 'http://c:2', maxConnections: null })
  registry.add({ url: 'https://d:1', ca: 'ca.pem', cert: 'c.pem', key: 'k.pem', rejectUnauthorized: false })
  registry.update('d-1', { servername: 'shop.internal' })
  registry.update('a-1', { weight: 2 })
  registry.drain('b-1')
  balancer.policy = 'round-robin'
  await keeper.close()
  assert.ok(store.closed)
  const views = () =>
    registry.list().map((backend) => ({ ...backend.view(), share: 1, hostHeader: backend.hostHeader }))
  const again = await open(
    { backends: ['http://a:1', 'http://b:1'], maxConnections: 9 },
    new TestStore(store.last),
  )
  const restored = again.registry
    .list()
    .map((backend) => ({ ...backend.view(), hostHeader: backend.hostHeader }))
  const limits = [9, 9, 5, null, 9]
  assert.deepEqual(
    restored,
    views().map((view, i) => ({ ...view, maxConnections: limits[i] })),
    'the limit of those that have none of their own is that of the pool now',
  )
  assert.equal(again.balancer.policy, 'round-robin')
  const events: string[] = []
  again.registry.on('drained', ({ id }) => events.push(id))
  again.registry.drain('b-1')
  assert.deepEqual(events, [], 'it was drained before')
  again.registry.activate('b-1')
  assert.equal(again.registry.get('b-1').share(), 0, 'one that comes back now is new')
})

test('one that waits for its removal is not remembered, and is again where that is taken back', async () => {
  const { balancer, registry, keeper, store } = await open({
    backends: [{ url: 'http://a:1', id: 'a', weight: 2 }],
  })
  const lease = balancer.acquire()
  registry.drain('a')
  await keeper.saved()
  assert.deepEqual(ids(store.last), ['a'])
  const { length } = store.saves
  registry.remove('a')
  await setImmediate()
  assert.equal(store.saves.length, length + 1, 'though it drained before')
  assert.deepEqual([ids(store.last), store.last.removed.length], [[], 1])
  registry.activate('a')
  await setImmediate()
  assert.deepEqual([ids(store.last), store.last.removed.length], [['a'], 0])
  registry.remove('a')
  await setImmediate()
  lease.release('ok')
  await keeper.close()
  assert.deepEqual([ids(store.last), store.last.removed.length], [[], 1])
})

test('a save that fails is told, and tried again with the next change and in time', async () => {
  const { registry, keeper, store, clock, told } = await open({ slowStart: 0 })
  store.hold = true
  const refused = {
    code: 'LEASTWISE_STATE_NOT_SAVED',
    message:
      'the change is in force, and not stored: the test store cannot be written: ENOSPC: no space left on device',
  }
  registry.add({ url: 'http://a:1', id: 'a' })
  const first = assert.rejects(keeper.saved(), refused)
  await store.finish(full())
  await first
  assert.equal(registry.size, 1)
  assert.equal(keeper.failure?.message, refused.message)
  // A call that changes nothing is not told that all is well.
  const second = assert.rejects(keeper.saved(), refused)
  await store.finish(full())
  await second
  clock.pass(4999)
  registry.add({ url: 'http://b:1', id: 'b' })
  await store.finish(full())
  clock.pass(4999)
  await setImmediate()
  assert.deepEqual([keeper.failures, clock.pending], [3, 1], 'the time counts from the last try')
  clock.pass(1)
  await store.finish()
  assert.deepEqual(ids(store.last), ['a', 'b'])
  assert.deepEqual([keeper.failure, clock.pending], [undefined, 0])
  assert.deepEqual(told, [refused.message, 'recovered'], 'once each')
})

test('on closing, what is not stored is tried once more, and then no change is said to be stored', async () => {
  const { registry, keeper, store, clock } = await open({ slowStart: 0 })
  store.hold = true
  registry.add({ url: 'http://a:1', id: 'a' })
  await store.finish(full())
  const closed = keeper.close()
  await store.finish()
  await closed
  assert.deepEqual([ids(store.last), store.closed, clock.pending], [['a'], true, 0])
  registry.add({ url: 'http://b:1', id: 'b' })
  await assert.rejects(keeper.saved(), { code: 'LEASTWISE_STATE_NOT_SAVED' })
  await keeper.close()
})

test('a store that cannot be read or written stops the start and is closed', async () => {
  const unreadable = new TestStore({ version: 2 })
  await assert.rejects(openBalancer({}, unreadable), {
    code: 'LEASTWISE_STORE',
    message: 'the test store cannot be used: version must be 1',
  })
  assert.ok(unreadable.closed)
  const unwritable = Object.assign(new TestStore(), { save: () => Promise.reject(full()) })
  const clock = new TestClock()
  await assert.rejects(openBalancer({ clock }, unwritable), {
    message: 'the test store cannot be written: ENOSPC: no space left on device',
  })
  assert.deepEqual([unwritable.closed, clock.pending], [true, 0])
  const untouched = new TestStore()
  await assert.rejects(openBalancer({ backends: ['http://a:1', 'http://a:1'] }, untouched), {
    code: 'LEASTWISE_BACKEND_EXISTS',
  })
  assert.equal(untouched.saves.length, 0)
})

const standOf = ({ registry }: Balancer) =>
  registry.list().map(({ id, weight, state }) => `${id} ${weight} ${state}`)

test('two pools on one store see what the other changes, and neither overwrites it', async () => {
  const memory = new SharedMemory()
  const clock = new TestClock()
  const [one, other] = [
    await openBalancer({ clock, backends: ['http://a:1'] }, memory.store()),
    await openBalancer({ clock, backends: [{ url: 'http://a:1', healthHost: 'shop' }] }, memory.store()),
  ]
  const settle = async () => {
    for (let i = 0; i < 3; i++) await Promise.all([one.keeper?.saved(), other.keeper?.saved()])
  }
  one.registry.add({ url: 'http://b:1', id: 'b' })
  await settle()
  assert.deepEqual(standOf(other), ['a-1 1 active', 'b 1 active'])
  other.registry.update('b', { weight: 3 })
  one.registry.drain('a-1')
  other.policy = 'round-robin'
  await settle()
  for (const balancer of [one, other]) {
    assert.deepEqual(standOf(balancer), ['a-1 1 draining', 'b 3 active'])
    assert.equal(balancer.policy, 'round-robin')
  }
  other.registry.remove('b')
  one.registry.add({ url: 'http://c:1', id: 'c' })
  await settle()
  for (const balancer of [one, other]) assert.deepEqual(standOf(balancer), ['a-1 1 draining', 'c 1 active'])
  assert.deepEqual([one.keeper?.failures, other.keeper?.failures], [0, 0])
  const { saves } = memory
  for (let i = 0; i < 10; i++) await setImmediate()
  assert.equal(memory.saves, saves, 'they do not answer each other for ever')
  for (const balancer of [one, other]) await balancer.keeper?.close()
  assert.equal(memory.listeners, 0)
})

test('a conflict is merged and saved again where nobody watches the store', async () => {
  const memory = new SharedMemory()
  const unwatched = () => ({ ...memory.store(), watch: undefined }) as unknown as BackendStore
  const clock = new TestClock()
  const one = await openBalancer({ clock }, unwatched())
  const other = await openBalancer({ clock }, unwatched())
  one.registry.add({ url: 'http://b:1', id: 'b' })
  await one.keeper?.saved()
  other.registry.add({ url: 'http://c:1', id: 'c' })
  await other.keeper?.saved()
  assert.deepEqual(standOf(other), ['c 1 active', 'b 1 active'])
  assert.deepEqual(
    other.registry.list().map(({ source }) => source),
    ['api', 'store'],
  )
  one.registry.remove('b')
  await one.keeper?.saved()
  assert.deepEqual(standOf(one), ['c 1 active'])
})

test('a store that always conflicts is told as one that cannot be written', async () => {
  const { registry, keeper, store } = await open()
  store.save = () => Promise.reject(new StoreConflictError('the test store'))
  registry.add({ url: 'http://a:1', id: 'a' })
  await assert.rejects(keeper.saved(), {
    code: 'LEASTWISE_STATE_NOT_SAVED',
    message: /written by somebody else/,
  })
})

test('what another pool stored and cannot be taken over is not overwritten, and is tried again', async () => {
  const memory = new SharedMemory()
  const clock = new TestClock()
  const store = { ...memory.store(), watch: undefined } as unknown as BackendStore
  const one = await openBalancer({ clock }, memory.store())
  const other = await openBalancer({ clock }, store)
  one.registry.add({ url: 'http://b:1', id: 'x' })
  await one.keeper?.saved()
  const { saves } = memory
  other.registry.add({ url: 'http://c:1', id: 'x' })
  const taken = { code: 'LEASTWISE_STATE_NOT_SAVED', message: /a backend with id "x" is registered already/ }
  for (let i = 0; i < 2; i++) await assert.rejects(async () => other.keeper?.saved(), taken)
  assert.deepEqual([memory.saves, standOf(one)], [saves, ['x 1 active']])
  const load = store.load
  store.load = () => Promise.reject(full())
  other.registry.remove('x')
  await assert.rejects(async () => other.keeper?.saved(), { message: /ENOSPC/ })
  store.load = load
  clock.pass(5000)
  await other.keeper?.saved()
  assert.deepEqual(
    other.registry.list().map(({ url }) => url),
    ['http://b:1'],
  )
  assert.equal(other.keeper?.failure, undefined)
})
