import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backend } from '../../../src/balancer/backends/backend.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import { InvalidOptionError, NoBackendError } from '../../../src/balancer/errors.js'
import type { Lease } from '../../../src/balancer/leases/lease.js'
import type { RequestTraits } from '../../../src/balancer/leases/lease-request.js'
import type { BalancerOptions } from '../../../src/balancer/options.js'
import { homeCodeOf } from '../../../src/balancer/selection/affinity/key-hash.js'
import { KeyOrder } from '../../../src/balancer/selection/affinity/key-order.js'
import { UNBOUNDED_REQUESTS } from '../../../src/balancer/selection/affinity/load-bound.js'
import { policyNames } from '../../../src/balancer/selection/policies/index.js'
import { TestClock } from '../../support/clock.js'
import { seeded } from '../../support/random.js'

const keys = Array.from({ length: 20_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)

function backendsOf(weights: readonly number[]): Backend[] {
  return weights.map((weight, i) => {
    const backend = new Backend(
      `b${i}`,
      { origin: `http://b${i}:1`, host: `b${i}:1` },
      undefined,
      new Date(0),
    )
    backend.weight = weight
    return backend
  })
}

/** Returns the id of the first backend for each key. */
function homes(backends: readonly Backend[]): string[] {
  const order = new KeyOrder(() => 1)
  order.update(backends)
  return keys.map((key) => {
    order.seek(key)
    return (order.first(0) as Backend).id
  })
}

/** Returns chi-square of the keys of each backend against its part by weight. */
function chiSquare(backends: readonly Backend[]): number {
  const counts = new Map<string, number>()
  for (const id of homes(backends)) counts.set(id, (counts.get(id) ?? 0) + 1)
  const total = backends.reduce((sum, { weight }) => sum + weight, 0)
  return backends.reduce((sum, { id, weight }) => {
    const expected = (keys.length * weight) / total
    return sum + ((counts.get(id) ?? 0) - expected) ** 2 / expected
  }, 0)
}

test('the keys of each backend follow its weight', () => {
  // A larger chi-square has a probability of one in a thousand, by chance.
  assert.ok(chiSquare(backendsOf([1, 1, 1])) < 13.8)
  assert.ok(chiSquare(backendsOf([5, 2, 1, 1])) < 16.3)
  assert.ok(chiSquare(backendsOf(Array(50).fill(1))) < 85.4)
})

test('a backend that leaves moves its own keys, and one that joins takes only keys of its own', () => {
  const backends = backendsOf([1, 3, 1, 2, 1])
  const before = homes(backends)
  const after = homes(backends.filter(({ id }) => id !== 'b3'))
  for (const [i, id] of before.entries()) {
    assert.notEqual(after[i], 'b3')
    if (id !== 'b3') assert.equal(after[i], id)
  }
  const moved = before.filter((id) => id === 'b3').length / keys.length
  assert.ok(Math.abs(moved - 2 / 8) < 0.02, `${moved}`)
  // Their order makes no difference.
  assert.deepEqual(homes([...backends].reverse()), before)
})

test('the keys of a backend that left go to all others', () => {
  const backends = backendsOf([1, 1, 1, 1])
  const before = homes(backends)
  const after = homes(backends.slice(1))
  const moved = after.filter((_, i) => before[i] === 'b0')
  for (const id of ['b1', 'b2', 'b3']) {
    const part = moved.filter((one) => one === id).length / moved.length
    assert.ok(Math.abs(part - 1 / 3) < 0.03, `${id}: ${part}`)
  }
})

test('a backend with a part of its weight has a part of its keys, which grows by keys of its own', () => {
  const backends = backendsOf([1, 1, 1])
  const [one] = backends as [Backend]
  one.tier = 1
  let factor = 0
  const order = new KeyOrder(() => factor)
  order.update(backends)
  let before = new Set<string>()
  for (factor of [0, 0.25, 0.5, 1]) {
    const now = new Set<string>()
    for (const key of keys) {
      order.seek(key)
      if (order.first(0) === one) now.add(key)
    }
    for (const key of before) assert.ok(now.has(key), key)
    const expected = (factor / (2 + factor)) * keys.length
    assert.ok(Math.abs(now.size - expected) < 0.05 * keys.length, `${factor}: ${now.size}`)
    before = now
  }
})

function pool(options: BalancerOptions = {}): { balancer: Balancer; clock: TestClock } {
  const clock = new TestClock()
  const balancer = new Balancer({
    clock,
    random: seeded(1),
    affinity: 'key',
    backends: ['a', 'b', 'c'].map((id) => ({ url: `http://${id}:1`, id })),
    ...options,
  })
  return { balancer, clock }
}

function leaseFor(balancer: Balancer, traits: RequestTraits): Lease {
  let lease: Lease | undefined
  balancer.lease({ ...traits, onLease: (given) => (lease = given), onReject: assert.ifError })
  return lease as Lease
}

function idFor(balancer: Balancer, traits: RequestTraits): string {
  const { backend } = balancer.explain(traits)
  const lease = leaseFor(balancer, traits)
  assert.equal(backend, lease.backend.id)
  lease.release('ok')
  return lease.backend.id
}

/** Returns a key of a backend. */
function keyOf(balancer: Balancer, id: string): string {
  return keys.find((key) => balancer.explain({ key }).backend === id) as string
}

for (const policy of policyNames) {
  test(`${policy}: requests of one key go to one backend, and others where the policy says`, () => {
    const { balancer } = pool({ policy })
    const seen = new Set<string>()
    for (const key of keys.slice(0, 30)) {
      const id = idFor(balancer, { key })
      for (let i = 0; i < 5; i++) assert.equal(idFor(balancer, { key }), id)
      assert.equal(idFor(balancer, { key, upgrade: true }), id)
      seen.add(id)
    }
    assert.equal(seen.size, 3)
    const plain = new Balancer({
      policy,
      clock: new TestClock(),
      random: seeded(1),
      backends: ['http://a:1', 'http://b:1'],
    })
    const wrapped = new Balancer({
      policy,
      affinity: 'key',
      clock: new TestClock(),
      random: seeded(1),
      backends: ['http://a:1', 'http://b:1'],
    })
    for (let i = 0; i < 50; i++) {
      const [one, other] = [plain.acquire(), wrapped.acquire()]
      assert.equal(one.backend.id, other.backend.id)
      if (i % 3 > 0) for (const lease of [one, other]) lease.release('ok')
    }
  })
}

test('without affinity, keys make no difference', () => {
  const { balancer } = pool({ affinity: 'off' })
  const ids = Array.from({ length: 6 }, () => leaseFor(balancer, { key: 'k' }).backend.id)
  assert.deepEqual(ids.sort(), ['a', 'a', 'b', 'b', 'c', 'c'])
})

test('a switch of the policy moves no key', () => {
  const { balancer } = pool()
  const before = keys.slice(0, 50).map((key) => idFor(balancer, { key }))
  balancer.policy = 'round-robin'
  assert.deepEqual(
    keys.slice(0, 50).map((key) => idFor(balancer, { key })),
    before,
  )
})

test('a retry and a hedge go to the next backend of the key', () => {
  const { balancer } = pool()
  const [key] = keys as [string]
  const order = balancer.explain({ key }).backends.map(({ id }) => id)
  const list = order.map((id) => balancer.registry.get(id)) as [Backend, Backend, Backend]
  assert.equal(idFor(balancer, { key }), order[0])
  assert.equal(idFor(balancer, { key, except: new Set([list[0]]), again: true }), order[1])
  assert.equal(idFor(balancer, { key, except: new Set([list[0], list[1]]), again: true }), order[2])
  for (let i = 0; i < 3; i++) {
    const hedge = balancer.leaseForHedge(new Set([list[0]]), 'r', { key })
    assert.equal(hedge?.backend.id, order[1])
  }
})

test('a full backend is passed over, and takes its key back when it has room', () => {
  const { balancer } = pool({ maxConnections: 2 })
  const key = keyOf(balancer, 'b')
  const held = [leaseFor(balancer, { key }), leaseFor(balancer, { key })]
  assert.deepEqual(
    held.map(({ backend }) => backend.id),
    ['b', 'b'],
  )
  const next = idFor(balancer, { key })
  assert.notEqual(next, 'b')
  assert.match(balancer.explain({ key }).backends.find(({ id }) => id === 'b')?.reason ?? '', /^full/)
  held[0]?.release('ok')
  assert.equal(idFor(balancer, { key }), 'b')
})

test('one key with 300 requests in flight puts no backend above its bound', () => {
  for (const weights of [
    [1, 1, 1],
    [4, 2, 1],
  ]) {
    const { balancer } = pool({
      backends: weights.map((weight, i) => ({ url: `http://b${i}:1`, id: `b${i}`, weight })),
    })
    const total = weights.reduce((sum, weight) => sum + weight)
    const key = keyOf(balancer, 'b2')
    for (let m = 0; m < 300; m++) {
      const { backend } = leaseFor(balancer, { key })
      const bound = Math.max(UNBOUNDED_REQUESTS, Math.ceil((1.25 * (m + 1) * backend.weight) / total))
      assert.ok(backend.inFlight <= bound, `${backend.id}: ${backend.inFlight} of ${bound}`)
      // It has its own backend as far as the bound goes.
      if (m < UNBOUNDED_REQUESTS) assert.equal(backend.id, 'b2')
    }
    // At its bound it is passed over, and the bound grows with each request of the others.
    for (let i = 0; i < 20 && balancer.explain({ key }).backend === 'b2'; i++) leaseFor(balancer, { key })
    const { backends } = balancer.explain({ key })
    const reason = backends.find(({ id }) => id === 'b2')?.reason ?? ''
    assert.match(reason, /the backend of the key, passed over with \d+ requests: \d+ are 125 % of its part/)
  }
})

test('few requests pass no backend over, and with an overload of 0 any number does not', () => {
  const few = pool().balancer
  const key = keyOf(few, 'a')
  for (let i = 0; i < UNBOUNDED_REQUESTS; i++) assert.equal(leaseFor(few, { key }).backend.id, 'a')
  assert.notEqual(leaseFor(few, { key }).backend.id, 'a')
  const any = pool({ affinityOverload: 0 }).balancer
  for (let i = 0; i < 300; i++) assert.equal(leaseFor(any, { key }).backend.id, 'a')
})

test('a key with few requests is not passed over because of a busy one', () => {
  const { balancer } = pool()
  const [busy, ...light] = keys.filter((key) => balancer.explain({ key }).backend === 'a').slice(0, 21)
  for (let i = 0; i < 120; i++) leaseFor(balancer, { key: busy as string })
  // At its bound the backend takes one more for each few of the others.
  for (let i = 0; i < 20 && balancer.explain({ key: busy as string }).backend === 'a'; i++)
    leaseFor(balancer, { key: busy as string })
  assert.notEqual(balancer.explain({ key: busy as string }).backend, 'a')
  const held = light.map((key) => leaseFor(balancer, { key }))
  for (const { backend } of held) assert.equal(backend.id, 'a')
  // Once its requests have ended, the busy key is like any other.
  for (const { leases } of balancer.registry.list()) leases.cutAll(new Error('over'))
  for (const lease of held) assert.equal(lease.held, false)
  for (let i = 0; i < 100; i++) leaseFor(balancer, { key: light[0] as string, pinned: true })
  for (let i = 0; i < UNBOUNDED_REQUESTS; i++)
    assert.equal(leaseFor(balancer, { key: busy as string }).backend.id, 'a')
  assert.notEqual(leaseFor(balancer, { key: busy as string }).backend.id, 'a')
})

test('a pinned request is never passed over for load, and still for a full backend', () => {
  const { balancer } = pool({ maxConnections: 50 })
  const key = keyOf(balancer, 'a')
  for (let i = 0; i < 50; i++) assert.equal(leaseFor(balancer, { key, pinned: true }).backend.id, 'a')
  assert.notEqual(idFor(balancer, { key, pinned: true }), 'a')
})

test('an overload between 1 and 100 is refused', () => {
  for (const affinityOverload of [1, 99.9, 100, -1, Number.NaN])
    assert.throws(() => pool({ affinityOverload }), InvalidOptionError)
  assert.throws(() => pool({ affinityDrain: 'stay' as 'keep' }), InvalidOptionError)
})

test('tunnels without traffic count where another tunnel is placed, and not for requests', () => {
  const { balancer } = pool()
  const key = keyOf(balancer, 'a')
  for (let i = 0; i < UNBOUNDED_REQUESTS; i++) {
    const lease = leaseFor(balancer, { key, upgrade: true })
    assert.equal(lease.backend.id, 'a')
    lease.switched()
    // Traffic is looked for in intervals: after the second one without any, the tunnel is quiet.
    for (let round = 0; round < 3; round++) lease.checkTraffic()
  }
  assert.equal(balancer.registry.get('a').load, 0)
  assert.notEqual(idFor(balancer, { key, upgrade: true }), 'a')
  assert.equal(idFor(balancer, { key }), 'a')
})

test('an ejected backend gives its keys away, and gets them back one by one in slow start', () => {
  const { balancer, clock } = pool({ ejectConsecutive: 1, ejectBase: 1000, slowStart: 10_000 })
  const mine = keys.slice(0, 600).filter((key) => balancer.explain({ key }).backend === 'a')
  const others = keys.slice(0, 600).filter((key) => !mine.includes(key))
  const before = others.map((key) => idFor(balancer, { key }))
  leaseFor(balancer, { key: mine[0] as string }).release('failed')
  assert.equal(balancer.registry.get('a').health, 'ejected')
  for (const key of mine) assert.notEqual(idFor(balancer, { key }), 'a')
  clock.pass(1000)
  // The next request probes it, whatever its key.
  const probe = leaseFor(balancer, { key: others[0] as string })
  assert.equal(probe.backend.id, 'a')
  probe.answered(clock.now())
  probe.release('ok')
  assert.notEqual(balancer.registry.get('a').health, 'ejected')
  let back = new Set<string>()
  for (const [time, least, most] of [
    [100, 0, 0.1],
    [4900, 0.4, 0.8],
    [5000, 1, 1],
  ] as const) {
    clock.pass(time)
    const now = new Set(mine.filter((key) => idFor(balancer, { key }) === 'a'))
    for (const key of back) assert.ok(now.has(key), `${key} went away again`)
    const part = now.size / mine.length
    assert.ok(part >= least && part <= most, `${part} of the keys after ${time} ms`)
    back = now
  }
  assert.deepEqual(
    others.map((key) => idFor(balancer, { key })),
    before,
  )
})

test('a failure moves no key, and failures one after the other do', () => {
  const { balancer } = pool({ ejectMaxPercent: 0 })
  const key = keyOf(balancer, 'a')
  for (let failures = 1; failures <= 3; failures++) {
    const lease = leaseFor(balancer, { key })
    assert.equal(lease.backend.id, 'a')
    lease.release('failed')
  }
  for (let i = 0; i < 20; i++) assert.equal(idFor(balancer, { key }), 'a', `request ${i}`)
  for (let failures = 0; failures < 5; failures++) {
    const lease = leaseFor(balancer, { key })
    lease.release('failed')
  }
  assert.notEqual(idFor(balancer, { key }), 'a')
  const { reason } = balancer.explain({ key }).backends.find(({ id }) => id === 'a') ?? { reason: '' }
  assert.match(reason, /passed over as it fails nearly all requests|rests/)
})

test('a backend that drains keeps its keys for nine tenths of the time, and gets no others', () => {
  const { balancer, clock } = pool({ drainTimeout: 10_000 })
  const drained: string[] = []
  balancer.registry.on('drained', ({ id }) => drained.push(id))
  const mine = keyOf(balancer, 'a')
  const other = keyOf(balancer, 'b')
  const otherOrder = balancer.explain({ key: other }).backends.map(({ id }) => id)
  balancer.registry.drain('a')
  for (const time of [0, 5000, 3999]) {
    clock.pass(time)
    assert.equal(idFor(balancer, { key: mine }), 'a')
    assert.match(balancer.explain({ key: mine }).why, /a drains, and keeps its keys/)
    assert.notEqual(idFor(balancer, {}), 'a')
    assert.equal(idFor(balancer, { key: other }), 'b')
    // No other key comes to it, however few backends are left for that key.
    const except = new Set([balancer.registry.get('b')])
    assert.equal(idFor(balancer, { key: other, except }), 'c', `${otherOrder}`)
  }
  assert.deepEqual(drained, [], 'it may get another request any time')
  clock.pass(2)
  assert.notEqual(idFor(balancer, { key: mine }), 'a')
  assert.deepEqual(drained, ['a'])
  balancer.registry.activate('a')
  clock.pass(10_000)
  assert.equal(idFor(balancer, { key: mine }), 'a')
})

test('the requests in flight at the end of a drain are cut, as without affinity', () => {
  const { balancer, clock } = pool({ drainTimeout: 10_000 })
  const lease = leaseFor(balancer, { key: keyOf(balancer, 'a') })
  balancer.registry.drain('a')
  clock.pass(9_999)
  assert.equal(lease.held, true)
  clock.pass(1)
  assert.equal(lease.held, false)
})

test('a backend that is removed or ejected while it drains gives its keys away, and so with affinityDrain: move', () => {
  const ends: [BalancerOptions, (balancer: Balancer) => void][] = [
    [{}, ({ registry }) => registry.remove('a')],
    [{}, ({ registry }) => registry.drain('a') && registry.remove('a')],
    [{}, ({ registry }) => registry.drain('a') && registry.setHealth('a', 'unhealthy')],
    [{}, ({ registry }) => registry.drain('a', 0)],
    [{ affinityDrain: 'move' }, ({ registry }) => registry.drain('a')],
  ]
  for (const [i, [options, end]] of ends.entries()) {
    const { balancer } = pool(options)
    const key = keyOf(balancer, 'a')
    const held = leaseFor(balancer, { key })
    end(balancer)
    assert.notEqual(idFor(balancer, { key }), 'a', `${i}`)
    held.release('ok')
  }
})

test('a pool of which every backend drains serves their keys alone', () => {
  const { balancer } = pool()
  const key = keyOf(balancer, 'a')
  for (const id of ['a', 'b', 'c']) balancer.registry.drain(id)
  assert.equal(idFor(balancer, { key }), 'a')
  let refused: unknown
  balancer.lease({ onLease: () => assert.fail('has no key'), onReject: (error) => (refused = error) })
  assert.ok(refused instanceof NoBackendError)
})

test('a key with a home goes there whatever its order, as long as the home is there', () => {
  const { balancer } = pool()
  const home = homeCodeOf('c')
  const key = keyOf(balancer, 'a')
  assert.equal(idFor(balancer, { key, home }), 'c')
  assert.equal(idFor(balancer, { key, home: homeCodeOf('gone') }), 'a')
  balancer.registry.add({ url: 'http://d:1', id: 'd' })
  assert.equal(idFor(balancer, { key, home }), 'c')
  balancer.registry.setHealth('c', 'unhealthy')
  assert.equal(idFor(balancer, { key, home }), 'a')
  balancer.registry.setHealth('c', 'healthy')
  assert.equal(idFor(balancer, { key, home }), 'c')
  assert.equal(balancer.explain({ key, home }).backends[0]?.id, 'c')
})

test('codes of backends are whole numbers of 48 bits', () => {
  const codes = keys.map(homeCodeOf)
  assert.equal(new Set(codes).size, codes.length)
  for (const code of codes) assert.ok(Number.isInteger(code) && code >= 0 && code < 2 ** 48)
})

test('requests that wait go to the backend of their key, where that has room first', async () => {
  const { balancer } = pool({ maxConnections: 1 })
  const held = new Map(['a', 'b', 'c'].map((id) => [id, leaseFor(balancer, { key: keyOf(balancer, id) })]))
  assert.deepEqual(
    [...held].map(([id, { backend }]) => backend.id === id),
    [true, true, true],
  )
  const waiting = new Promise<Lease>((resolve, reject) => {
    balancer.lease({ key: keys[0] as string, onLease: resolve, onReject: reject })
  })
  held.get('b')?.release('ok')
  assert.equal((await waiting).backend.id, 'b')
})
