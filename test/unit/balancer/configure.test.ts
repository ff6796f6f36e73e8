import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  AllFullError,
  BackendExistsError,
  Balancer,
  type BalancerOptions,
  type Lease,
  NoBackendError,
  policyNames,
} from '../../../src/balancer/index.js'
import { TestClock } from '../../support/clock.js'

const [a, b, c] = ['http://a:1', 'http://b:1', 'http://c:1'] as const

function pool(options: BalancerOptions = {}) {
  const clock = new TestClock()
  const balancer = new Balancer({ backends: [a], slowStart: 0, clock, random: () => 0, ...options })
  const backend = (id: string) => balancer.registry.get(id)
  /** Has a request fail on some backend. */
  const fail = () => balancer.acquire().release('failed')
  return { clock, balancer, registry: balancer.registry, backend, fail }
}

/** Lets a request wait; what became of it. */
function waiting(balancer: Balancer) {
  const found: { lease?: Lease; error?: Error } = {}
  balancer.lease({
    onLease: (given) => {
      found.lease = given
    },
    onReject: (error) => {
      found.error = error
    },
  })
  return found
}

const turn = () => new Promise(setImmediate)

test('backends that the configuration adds, changes and drops are those of a restart', async () => {
  const { balancer, registry, backend } = pool({ backends: [a, b] })
  const onA = balancer.acquire(new Set([backend('b-1')]))
  const change = balancer.configure({ backends: [{ url: b, weight: 3 }, c] })
  assert.deepEqual(change, { options: [], added: ['c-1'], updated: ['b-1'], removed: ['a-1'] })
  assert.deepEqual(
    registry.list().map(({ id, state, weight, inFlight }) => [id, state, weight, inFlight]),
    [
      ['a-1', 'draining', 1, 1],
      ['b-1', 'active', 3, 0],
      ['c-1', 'active', 1, 0],
    ],
  )
  onA.release('ok')
  assert.deepEqual(
    registry.list().map(({ id }) => id),
    ['b-1', 'c-1'],
  )
})

test('a backend that comes back while it drains is active again, with its counts', () => {
  const { balancer, registry, backend, clock } = pool({ backends: [a, b], drainTimeout: 1000 })
  const lease = balancer.acquire(new Set([backend('b-1')]))
  const before = lease.backend
  balancer.configure({ backends: [b] })
  balancer.configure({ backends: [a, b] })
  assert.equal(backend('a-1'), before)
  assert.deepEqual([before.state, before.inFlight, before.leases.total], ['active', 1, 1])
  clock.pass(5000)
  assert.ok(lease.held, 'the deadline of the drain is off')
  assert.equal(registry.size, 2)
})

test('what came over the API stays, and what it changed stays until the configuration says something else', () => {
  const { balancer, registry, backend } = pool({ backends: [{ url: a, weight: 2 }, b] })
  registry.add({ url: c })
  registry.update('a-1', { weight: 7 })
  registry.remove('b-1')
  balancer.configure({ backends: [{ url: a, weight: 2 }, b] })
  assert.deepEqual(
    registry.list().map(({ id, weight, source }) => [id, weight, source]),
    [
      ['a-1', 7, 'config'],
      ['c-1', 1, 'api'],
    ],
  )
  balancer.configure({ backends: [{ url: a, weight: 3 }, b, c] })
  assert.equal(backend('a-1').weight, 3)
  assert.equal(backend('c-1').source, 'config')
})

test('ids can be given to other backends, even while requests are in flight on the former', () => {
  const { balancer, registry } = pool({
    backends: [
      { url: a, id: 'x' },
      { url: b, id: 'y' },
    ],
  })
  const leases = [balancer.acquire(), balancer.acquire()]
  balancer.configure({
    backends: [
      { url: a, id: 'y' },
      { url: c, id: 'x' },
    ],
  })
  assert.deepEqual(
    registry.list().map(({ id, url, state, inFlight }) => [id, url, state, inFlight]),
    [
      ['y', a, 'active', 0],
      ['x', c, 'active', 0],
    ],
  )
  assert.ok(leases.every(({ held }) => held))
  for (const lease of leases) lease.release('ok')
  assert.equal(balancer.view().inFlight, 0)
})

test('all or nothing: whatever is wrong, nothing has changed', () => {
  const read: string[] = []
  const { balancer, registry, clock } = pool({
    backends: [a, b],
    verifyTls: ({ ca }) => {
      read.push(String(ca))
      throw new Error(`no ${ca}`)
    },
  })
  registry.add({ url: c, id: 'theirs' })
  const events: string[] = []
  for (const event of ['added', 'updated', 'draining', 'removed'] as const)
    registry.on(event, ({ id }) => events.push(`${event} ${id}`))
  balancer.on('configured', () => events.push('configured'))
  const state = () => JSON.stringify([registry.list().map((backend) => backend.view()), balancer.view()])
  const before = state()
  const wrong: [BalancerOptions, RegExp][] = [
    [{ queueLimit: -1 }, /"queueLimit"/],
    [{ hedge: 0 }, /"hedge"/],
    [{ panic: 'often' as never }, /"panic"/],
    [{ policy: 'best' }, /no policy "best"/],
    [{ maxConnections: 1.5 }, /maxConnections/],
    [{ backends: [{ url: 'http://d:1' }, 'ftp://e'] }, /url/],
    [{ backends: [a, b, a] }, /registered already/],
    [{ backends: [{ url: 'http://d:1' }, { url: b, id: 'theirs' }] }, /id "theirs" is registered already/],
    [{ backends: [{ url: 'http://d:1' }, { url: 'https://e', ca: '/gone.pem' }] }, /no \/gone.pem/],
  ]
  for (const [options, message] of wrong) {
    assert.throws(() => balancer.configure({ slowStart: 77, backends: [c], ...options }), message)
    assert.equal(state(), before, JSON.stringify(options))
  }
  assert.deepEqual(events, [])
  assert.deepEqual(read, ['/gone.pem'])
  assert.equal(clock.pending, 0)
  assert.throws(() => balancer.configure({ backends: [a, a] }), BackendExistsError)
})

test('a policy that was set otherwise stays until the configuration names another one', () => {
  const { balancer } = pool({ policy: 'round-robin' })
  balancer.policy = 'power-of-two'
  balancer.configure({ policy: 'round-robin', queueLimit: 3 })
  assert.equal(balancer.policy, 'power-of-two')
  assert.deepEqual(balancer.configure({ policy: 'least-connections' }).options, ['policy'])
  assert.equal(balancer.policy, 'least-connections')
})

test('the event tells what changed; without a change there is none', () => {
  const { balancer } = pool()
  const seen: unknown[] = []
  balancer.on('configured', (change) => seen.push(change))
  balancer.configure({ backends: [{ url: a }], slowStart: 0, policy: 'least-connections' })
  assert.deepEqual(seen, [])
  balancer.configure({ hedge: 20, drainTimeout: 5 })
  assert.deepEqual(seen, [{ options: ['drainTimeout', 'hedge'], added: [], updated: [], removed: [] }])
})

test('maxConnections: the limit of backends without their own, at once for those that wait', async () => {
  const { balancer, backend } = pool({ backends: [a, { url: b, maxConnections: 1 }], maxConnections: 1 })
  const leases = [balancer.acquire(), balancer.acquire()]
  assert.throws(() => balancer.acquire(), AllFullError)
  const waits = waiting(balancer)
  balancer.configure({ maxConnections: 2 })
  await turn()
  assert.equal(waits.lease?.backend.id, 'a-1')
  assert.deepEqual([backend('a-1').maxConnections, backend('b-1').maxConnections], [2, 1])
  assert.ok(leases.every(({ held }) => held))
  balancer.configure({ maxConnections: 1 })
  assert.deepEqual([backend('a-1').inFlight, backend('a-1').isFull], [2, true])
})

test('queueLimit and queueTimeout: for requests that begin to wait, each is refused in its own time', async () => {
  const { balancer, clock } = pool({ maxConnections: 1, queueLimit: 2, queueTimeout: 5000 })
  balancer.acquire()
  const old = waiting(balancer)
  balancer.configure({ queueTimeout: 300, queueLimit: 3 })
  const young = waiting(balancer)
  clock.pass(100)
  const younger = waiting(balancer)
  const refused = waiting(balancer)
  await turn()
  assert.match(String(refused.error), /3 requests wait/)
  clock.pass(250)
  await turn()
  assert.match(String(young.error), /for 300 ms/)
  assert.equal(younger.error, undefined)
  clock.pass(100)
  await turn()
  assert.match(String(younger.error), /for 300 ms/)
  assert.equal(old.error, undefined, 'the one that came first may wait as long as it might')
  balancer.configure({ queueLimit: 0 })
  assert.equal(balancer.view().queue.length, 1, 'who waits already stays')
  clock.pass(4600)
  await turn()
  assert.match(String(old.error), /for 5000 ms/)
})

test('slowStart: a slow start goes on by the new time, and ends with 0', () => {
  const { balancer, registry, backend, clock } = pool({ slowStart: 1000 })
  registry.add({ url: b })
  clock.pass(500)
  assert.equal(backend('b-1').share(), 0.5)
  balancer.configure({ slowStart: 2000 })
  assert.equal(backend('b-1').share(), 0.25)
  balancer.configure({ slowStart: 0 })
  assert.equal(backend('b-1').share(), 1)
  registry.add({ url: c })
  assert.equal(backend('c-1').share(), 1)
  assert.equal(clock.pending, 0)
  balancer.configure({ slowStart: 1000 })
  assert.equal(backend('b-1').share(), 1)
})

test('ejectConsecutive, ejectBase, ejectMax: failures in a row count on', () => {
  const { balancer, backend, clock, fail } = pool({
    backends: [a, b],
    ejectConsecutive: 10,
    ejectMaxPercent: 100,
  })
  for (let i = 0; i < 12; i++) fail()
  const streak = backend('a-1').healthMemory.streak
  assert.ok(streak > 1, `${streak}`)
  balancer.configure({ ejectConsecutive: streak + 1, ejectBase: 700, ejectMax: 700 })
  while (!backend('a-1').isEjected) fail()
  assert.equal(backend('a-1').ejections, 1)
  assert.equal((backend('a-1').ejectedUntil?.getTime() ?? 0) - clock.date().getTime(), 700)
})

test('ejectMaxPercent: fewer may be ejected at once, and then none', () => {
  const { balancer, registry, fail } = pool({
    backends: [a, b, c],
    ejectConsecutive: 1,
    ejectMaxPercent: 67,
    panicThreshold: 0,
  })
  const ejected = () => registry.list().filter(({ isEjected }) => isEjected).length
  for (let i = 0; i < 20; i++) fail()
  assert.equal(ejected(), 2)
  balancer.configure({ ejectMaxPercent: 34 })
  assert.equal(ejected(), 1)
  balancer.configure({ ejectMaxPercent: 0 })
  assert.equal(ejected(), 0)
  for (let i = 0; i < 20; i++) fail()
  assert.equal(ejected(), 0)
})

test('failureDecay: a failure rate is what it was, and falls at the new pace', () => {
  const { balancer, backend, clock, fail } = pool({ failureDecay: 1000 })
  fail()
  clock.pass(400)
  const share = backend('a-1').share()
  assert.ok(share < 1)
  balancer.configure({ failureDecay: 10_000 })
  assert.ok(Math.abs(backend('a-1').share() - share) < 1e-9)
  clock.pass(400)
  const later = backend('a-1').share()
  assert.ok(later < share + (1 - share) * 0.1, `${share} ${later}`)
  balancer.configure({ failureDecay: 0 })
  assert.equal(backend('a-1').share(), 1)
  fail()
  assert.equal(backend('a-1').share(), 1)
})

test('panic and panicThreshold: which backends are used, at once', () => {
  const { balancer, registry } = pool({ backends: [a, b, c], panic: 'off' })
  registry.setHealth('a-1', 'unhealthy')
  registry.setHealth('b-1', 'unhealthy')
  assert.equal(registry.eligible.length, 1)
  balancer.configure({ panic: 'unhealthy', panicThreshold: 50 })
  assert.equal(registry.eligible.length, 3)
  assert.equal(balancer.view().panic, true)
  balancer.configure({ panicThreshold: 0 })
  assert.equal(registry.eligible.length, 1)
})

test('healthInitial: who need not pass a check any more is used, and the next backend has to again', () => {
  const { balancer, registry, backend } = pool({ healthInitial: 'unusable', panic: 'off' })
  assert.throws(() => balancer.acquire(), NoBackendError)
  balancer.configure({ healthInitial: 'usable' })
  balancer.acquire()
  balancer.configure({ healthInitial: 'unusable', backends: [a, b] })
  assert.deepEqual([backend('a-1').isUsable, backend('b-1').isUsable], [true, false])
  registry.setHealth('b-1', 'healthy')
  assert.equal(backend('b-1').isUsable, true)
})

test('drainTimeout: of drains that begin after it', () => {
  const { balancer, registry, clock, backend } = pool({ backends: [a, b], drainTimeout: 1000 })
  const onA = balancer.acquire(new Set([backend('b-1')]))
  const onB = balancer.acquire(new Set([backend('a-1')]))
  const cuts: string[] = []
  onA.onCut = () => cuts.push('a')
  onB.onCut = () => cuts.push('b')
  registry.drain('a-1')
  balancer.configure({ drainTimeout: 50 })
  registry.drain('b-1')
  clock.pass(60)
  assert.deepEqual(cuts, ['b'])
  clock.pass(1000)
  assert.deepEqual(cuts, ['b', 'a'])
})

test('retryBudget: what was spent counts', () => {
  const { balancer } = pool({ retryBudget: 100 })
  for (let i = 0; i < 100; i++) balancer.requested()
  for (let i = 0; i < 30; i++) assert.ok(balancer.retryBudget.spend())
  balancer.configure({ retryBudget: 20 })
  assert.ok(!balancer.retryBudget.spend())
  balancer.configure({ retryBudget: 21 })
  assert.ok(balancer.retryBudget.spend())
  assert.ok(!balancer.retryBudget.spend())
})

test('hedge and hedgeBudget: requests that wait are hedged by the new time, or never', () => {
  const { balancer, clock } = pool({ hedge: 1000, hedgeBudget: 100 })
  let hedges = 0
  const expect = () =>
    balancer.hedging.expect(() => {
      hedges++
      return true
    })
  for (let i = 0; i < 10; i++) balancer.requested()
  expect()
  balancer.configure({ hedge: 50 })
  clock.pass(49)
  assert.equal(hedges, 0)
  clock.pass(1)
  assert.equal(hedges, 1)
  expect()
  balancer.configure({ hedge: 'off' })
  clock.pass(5000)
  assert.equal(hedges, 1)
  assert.equal(expect(), undefined)
  assert.equal(clock.pending, 0)
  balancer.configure({ hedge: 10, hedgeBudget: 0 })
  assert.equal(expect(), undefined)
})

test('tunnelWeight: what tunnels without traffic weigh, of those that are open', () => {
  const { balancer, backend } = pool({ tunnelWeight: 0, backends: [a, b] })
  const tunnels = Array.from({ length: 4 }, () => balancer.acquire(new Set([backend('b-1')])))
  for (const tunnel of tunnels) tunnel.switched()
  const load = () => [backend('a-1').load, backend('a-1').inFlight]
  assert.deepEqual(load(), [0, 4])
  balancer.configure({ tunnelWeight: 50 })
  assert.deepEqual(load(), [2, 4])
  assert.deepEqual(
    [1, 2].map(() => balancer.acquire().backend.id),
    ['b-1', 'b-1'],
    'the choice knows it',
  )
})

test('affinity: requests with a key go to its backend from now on, and no longer', () => {
  const { balancer } = pool({ backends: [a, b, c] })
  const chosen = (key: string) => {
    let id = ''
    balancer.lease({
      key,
      onLease: (lease) => {
        id = lease.backend.id
        lease.release('ok')
      },
      onReject: () => {},
    })
    return id
  }
  const ids = () => new Set([1, 2, 3, 4, 5, 6].map(() => chosen('k'))).size
  assert.equal(ids(), 3)
  balancer.configure({ affinity: 'ip' })
  assert.equal(ids(), 1)
  balancer.configure({ affinityOverload: 150 })
  assert.equal(ids(), 1)
  balancer.configure({ affinity: 'off' })
  assert.equal(ids(), 3)
})

test('a listener that changes the pool in the middle of a configuration cannot make two backends of one URL', () => {
  const { balancer, registry } = pool({ backends: [a] })
  registry.once('removed', () => registry.add({ url: b, weight: 9 }))
  balancer.configure({ backends: [b, c] })
  assert.deepEqual(
    registry.list().map(({ id, weight, source }) => [id, weight, source]),
    [
      ['b-1', 9, 'api'],
      ['c-1', 1, 'config'],
    ],
  )
  balancer.configure({ backends: [c] })
  assert.equal(registry.size, 1)
})

test('a pool that retires ends with its last request', async () => {
  const { balancer, clock } = pool({ maxConnections: 1 })
  const lease = balancer.acquire()
  const waits = waiting(balancer)
  let isOver = false
  const retired = balancer.retire().then(() => {
    isOver = true
  })
  lease.release('ok')
  await turn()
  assert.ok(waits.lease?.held, 'who waits is served')
  clock.pass(200)
  await turn()
  assert.equal(isOver, false)
  waits.lease?.release('ok')
  clock.pass(200)
  await retired
  assert.equal(clock.pending, 0)
})

test('requests on a backend whose id another one got are cut at the end of a drain, and waited for', async () => {
  const { balancer, clock } = pool({ backends: [{ url: a, id: 'x' }], drainTimeout: 1000 })
  const leases = [balancer.acquire(), balancer.acquire()]
  const [first, second] = leases as [Lease, Lease]
  balancer.configure({ backends: [{ url: b, id: 'x' }] })
  let isOver = false
  const retired = balancer.retire(10_000).then(() => {
    isOver = true
  })
  clock.pass(900)
  first.release('ok')
  await turn()
  assert.deepEqual([isOver, second.held, balancer.view().inFlight], [false, true, 0])
  clock.pass(100)
  assert.equal(second.held, false)
  clock.pass(50)
  await retired
  assert.equal(clock.pending, 0)
})

test('a pool that retires cuts what is left in the end', async () => {
  const { balancer, clock } = pool({ maxConnections: 1, drainTimeout: 500 })
  const lease = balancer.acquire()
  let cut: Error | undefined
  lease.onCut = (reason) => {
    cut = reason
    lease.release('cancelled')
  }
  const waits = waiting(balancer)
  const retired = balancer.retire()
  clock.pass(499)
  assert.equal(cut, undefined)
  clock.pass(1)
  await retired
  await turn()
  assert.match(String(cut), /the pool was removed/)
  assert.match(String(waits.error), /the pool was removed/)
  assert.equal(clock.pending, 0)
})

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

test('500 configurations with requests in flight leave nothing behind: no timer, no memory, no count', async () => {
  const { balancer, registry, clock } = pool({ backends: [a, b], maxConnections: 2, slowStart: 1000 })
  const held: Lease[] = []
  const round = (i: number) => {
    while (held.length > 2) held.shift()?.release('ok')
    for (let n = 0; n < 2; n++) {
      balancer.lease({ key: `${i}`, onLease: (lease) => held.push(lease), onReject: () => {} })
    }
    balancer.configure({
      backends: [a, `http://new${i}:1`, { url: b, weight: 1 + (i % 7) }],
      policy: policyNames[i % policyNames.length],
      affinity: i % 3 ? 'on' : 'off',
      queueTimeout: 100 + (i % 5),
      slowStart: 100 * (i % 4),
      hedge: i % 2 ? 'p95' : 50,
      tunnelWeight: i % 100,
      failureDecay: 1000 * (i % 3),
      maxConnections: 2 + (i % 2),
    })
    clock.pass(10)
  }
  const settle = async () => {
    while (held.length > 0) held.shift()?.release('ok')
    clock.pass(60_000)
    for (let i = 0; i < 5; i++) await turn()
    while (held.length > 0) held.shift()?.release('ok')
    clock.pass(60_000)
    collect()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  for (let i = 0; i < 200; i++) round(i)
  const before = await settle()
  for (let i = 200; i < 700; i++) round(i)
  const after = await settle()
  assert.equal(registry.size, 3)
  assert.deepEqual([balancer.view().inFlight, balancer.view().queue.length, clock.pending], [0, 0, 0])
  // Each backend that was dropped had some 10 kB.
  assert.ok(after - before < 1_500_000, `${after - before} bytes`)
})
