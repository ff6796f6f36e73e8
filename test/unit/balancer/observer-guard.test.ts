import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Balancer } from '../../../src/balancer/balancer.js'
import { StoppedError } from '../../../src/balancer/errors.js'
import type { Lease } from '../../../src/balancer/leases/lease.js'
import type { BalancerOptions } from '../../../src/balancer/options.js'
import { LocalKeeper } from '../../../src/balancer/state/local-keeper.js'
import { TestClock } from '../../support/clock.js'

function pool(options: BalancerOptions = {}) {
  const clock = new TestClock()
  const told: string[] = []
  const balancer = new Balancer({
    clock,
    backends: [{ url: 'http://a:1', id: 'a' }],
    onObserverError: (error) => void told.push((error as Error).message),
    ...options,
  })
  return { clock, balancer, registry: balancer.registry, told }
}

const fail = (message: string) => () => {
  throw new Error(message)
}
const turn = () => new Promise(setImmediate)

test('a listener that throws, or whose promise rejects, keeps no other from hearing', async () => {
  const { registry, balancer, told } = pool()
  const heard: string[] = []
  registry.on('added', fail('first'))
  registry.on('added', async () => fail('second')())
  registry.once('added', fail('once'))
  registry.on('added', ({ id }) => void heard.push(id))
  balancer.on('policy', fail('policy'))
  balancer.on('policy', (name) => void heard.push(name))
  registry.add({ url: 'http://b:1', id: 'b' })
  registry.add({ url: 'http://c:1', id: 'c' })
  balancer.policy = 'round-robin'
  await turn()
  assert.deepEqual(heard, ['b', 'c', 'round-robin'])
  assert.deepEqual(told.sort(), ['first', 'first', 'once', 'policy', 'second', 'second'])
})

test('a listener that throws while a lease is released leaks none, and leaves nobody in the queue', async () => {
  const { balancer, registry, told } = pool({ maxConnections: 1, ejectConsecutive: 1, ejectMaxPercent: 100 })
  registry.on('health', fail('health'))
  registry.on('panic', fail('panic'))
  const first = balancer.acquire()
  const second = balancer.acquireInTurn()
  first.release('failed')
  ;(await second).release('ok')
  assert.deepEqual([registry.inFlight, balancer.view().queue.length], [0, 0])
  assert.deepEqual([...new Set(told)].sort(), ['health', 'panic'])
})

test('a lease is taken back from a taker that throws', async () => {
  const { balancer, registry, told } = pool({ maxConnections: 1 })
  assert.throws(
    () => balancer.lease({ onLease: fail('at once'), onReject: fail('never') }),
    /at once/,
    'whoever calls hears of it',
  )
  assert.equal(registry.inFlight, 0)
  const first = balancer.acquire()
  balancer.lease({ onLease: fail('in turn'), onReject: fail('never') })
  const next = balancer.acquireInTurn()
  first.release('ok')
  ;(await next).release('ok')
  assert.deepEqual([registry.inFlight, told], [0, ['in turn']])
  const last = balancer.acquire()
  balancer.lease({ onLease: fail('never'), onReject: fail('refused') })
  const waiting = balancer.acquireInTurn()
  balancer.stop(new StoppedError('stopped'))
  await assert.rejects(waiting, /stopped/)
  assert.deepEqual([last.held, told], [false, ['in turn', 'refused']])
})

const cuts: Record<string, (made: ReturnType<typeof pool>) => void> = {
  'a removal': ({ registry }) => void registry.remove('a', { force: true }),
  'a drain whose time is up': ({ registry, clock }) => {
    registry.drain('a', 10)
    clock.pass(11)
  },
  'a stop': ({ balancer }) => balancer.stop(new StoppedError('stopped')),
}
for (const [how, cut] of Object.entries(cuts)) {
  test(`${how} cuts all requests, also where stopping one of them throws`, () => {
    const made = pool()
    const leases = Array.from({ length: 3 }, () => made.balancer.acquire()) as [Lease, Lease, Lease]
    leases[0].onCut = fail('mine')
    leases[1].onCut = () => leases[1].release('cancelled')
    cut(made)
    assert.deepEqual(
      leases.map(({ held }) => held),
      [false, false, false],
    )
    assert.deepEqual([made.told, leases[0].backend.inFlight], [['mine'], 0])
  })
}

test('a listener of the keeper that throws changes nothing about what is stored', async () => {
  const { balancer, told } = pool()
  const saved: unknown[] = []
  let broken = false
  const store = {
    name: 'store',
    load: async () => undefined,
    save: async (state: unknown) => {
      if (broken) throw new Error('full')
      saved.push(state)
    },
  }
  const keeper = new LocalKeeper(balancer, store, balancer.policy)
  await keeper.start()
  keeper.on('failed', fail('failed'))
  keeper.on('recovered', fail('recovered'))
  broken = true
  balancer.registry.add({ url: 'http://b:1', id: 'b' })
  await assert.rejects(keeper.saved(), /full/)
  broken = false
  balancer.registry.add({ url: 'http://c:1', id: 'c' })
  await keeper.saved()
  await keeper.close()
  balancer.close()
  assert.equal(saved.length, 2)
  assert.deepEqual(told, ['failed', 'recovered'])
})

test('where nobody is told, or whoever is told throws as well, it is a warning', async () => {
  for (const onObserverError of [undefined, fail('the logger, too')]) {
    const { registry } = pool({ onObserverError })
    registry.on('added', fail('mine'))
    const warning = once(process, 'warning')
    registry.add({ url: 'http://b:1' })
    assert.match(String((await warning)[0].message), /mine/)
  }
})
