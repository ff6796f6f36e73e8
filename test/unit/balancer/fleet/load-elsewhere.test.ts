import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../../../src/balancer/balancer.js'
import { InvalidOptionError } from '../../../../src/balancer/errors.js'
import type { ElsewhereLoad } from '../../../../src/balancer/fleet/elsewhere-counts.js'
import type { PolicyName } from '../../../../src/balancer/selection/policies/index.js'
import { TestClock } from '../../../support/clock.js'
import { sharedPool } from '../../../support/pool-members.js'
import { seeded } from '../../../support/random.js'

const urls = ['http://a:1', 'http://b:1', 'http://c:1']

/** What others hold on each backend, by the first letters of their host names. */
function held(totals: Record<string, number | ElsewhereLoad>): Map<string, ElsewhereLoad> {
  return new Map(
    Object.entries(totals).map(([name, total]) => [
      `http://${name}:1`,
      typeof total === 'number' ? { inFlight: total, load: total } : total,
    ]),
  )
}

function elsewhere({ registry }: Balancer): number[] {
  return registry.list().map((backend) => backend.view().inFlightElsewhere)
}

test('a backend shows what other gateways have in flight, until they say otherwise', () => {
  const balancer = new Balancer({ backends: urls })
  const { loadElsewhere } = balancer.parts
  assert.deepEqual(elsewhere(balancer), [0, 0, 0])
  loadElsewhere.set(held({ a: 3, c: 0.7, unknown: 9 }), 2)
  assert.deepEqual(elsewhere(balancer), [3, 0, 1])
  loadElsewhere.set(held({ b: 2, c: 0.3 }), 2)
  assert.deepEqual(elsewhere(balancer), [3, 2, 0], 'a backend that is not named keeps its number')
  assert.equal(balancer.registry.get('c-1').inFlightElsewhere, 0.3, 'it fades')
  balancer.registry.remove('a-1', { force: true })
  balancer.registry.add({ url: 'http://a:1' })
  assert.deepEqual(elsewhere(balancer), [2, 0, 0], 'a backend that joins has none yet')
  balancer.close()
})

test('requests of other gateways are no requests of this one: they fill no backend, and delay no drain', () => {
  const balancer = new Balancer({ backends: urls, maxConnections: 2 })
  balancer.parts.loadElsewhere.set(held({ a: 40, b: 40, c: 40 }), 2)
  assert.equal(balancer.registry.inFlight, 0)
  assert.deepEqual(
    balancer.registry.list().map(({ inFlight, isFull }) => [inFlight, isFull]),
    urls.map(() => [0, false]),
  )
  balancer.registry.remove('a-1')
  assert.equal(balancer.registry.size, 2)
  balancer.close()
})

test('every thread of a pool sees what other gateways have in flight', async (t) => {
  const { control, members, settled } = sharedPool(t, { members: 2, backends: urls })
  await settled()
  control.parts.loadElsewhere.set(held({ a: 3, c: 0.5 }), 2)
  for (const pool of [control, ...members]) {
    assert.deepEqual(elsewhere(pool), [3, 0, 1])
    assert.deepEqual(
      pool
        .explain()
        .backends.map(({ id, inFlightElsewhere }) => [id, inFlightElsewhere])
        .sort(),
      [
        ['a-1', 3],
        ['b-1', 0],
        ['c-1', 1],
      ],
    )
  }
  // A row in shared memory that another backend gets says nothing of the one before.
  control.registry.remove('a-1', { force: true })
  control.registry.add({ url: 'http://d:1' })
  await settled()
  for (const pool of [control, ...members]) assert.deepEqual(elsewhere(pool), [0, 1, 0])
})

/** A pool with a clock that stands still until it is told to pass, in which no gateway leans to backends of its own. */
function pool(options: { policy?: PolicyName; backends?: { url: string; weight?: number }[] } = {}) {
  const clock = new TestClock()
  const balancer = new Balancer({
    clock,
    slowStart: 0,
    random: () => 0,
    backends: urls,
    ...options,
  })
  const { loadElsewhere } = balancer.parts
  return {
    balancer,
    clock,
    /** Other gateways say what they have, for so long that it is also what they have had on average. */
    hear(totals: Record<string, number | ElsewhereLoad>, gateways = 1) {
      loadElsewhere.set(held(totals), gateways)
      clock.pass(60_000)
    },
    counted: () => balancer.registry.list().map(({ countedElsewhere }) => countedElsewhere),
  }
}

test('an average over time counts, slower with more gateways, and no timer is left once it has come to its end', () => {
  for (const [gateways, timeConstant] of [
    [1, 1200],
    [9, 6000],
  ] as const) {
    const { balancer, clock, counted } = pool()
    balancer.parts.loadElsewhere.set(held({ a: 8 }), gateways)
    assert.deepEqual(counted(), [0, 0, 0], 'a number that was heard just now does not count yet')
    clock.pass(timeConstant)
    // 8 * (1 - 1/e) are 5.06 requests.
    assert.deepEqual(counted(), [5, 0, 0])
    clock.pass(8 * timeConstant)
    assert.deepEqual([counted(), clock.pending], [[8, 0, 0], 0])
    balancer.parts.loadElsewhere.set(held({ a: 0 }), 0)
    clock.pass(10_000)
    assert.deepEqual([counted(), clock.pending], [[0, 0, 0], 0], 'a gateway that is alone forgets soon')
    balancer.close()
  }
})

test('a pool that was closed sets no timer, whatever it hears then', () => {
  const { balancer, clock } = pool()
  balancer.parts.loadElsewhere.set(held({ a: 8 }), 1)
  balancer.close()
  balancer.parts.loadElsewhere.set(held({ a: 0 }), 0)
  assert.equal(clock.pending, 0)
})

test('a number beyond all reason is shown, and counts no more than a large one', () => {
  const { balancer, hear, counted } = pool()
  hear({ a: 1e12, b: 70_000 })
  assert.deepEqual(
    [elsewhere(balancer), counted()],
    [
      [1e12, 70_000, 0],
      [65_536, 65_536, 0],
    ],
  )
  for (let i = 0; i < 3; i++) assert.equal(balancer.acquire().backend.id, 'c-1')
  balancer.close()
})

test('tunnels without traffic of other gateways are shown, and do not count', () => {
  const { balancer, hear, counted } = pool()
  hear({ a: { inFlight: 1000, load: 2 } })
  assert.deepEqual(
    [elsewhere(balancer), counted()],
    [
      [1000, 0, 0],
      [2, 0, 0],
    ],
  )
  balancer.close()
})

for (const policy of ['least-connections', 'power-of-two', 'least-response-time'] as const) {
  test(`${policy}: a backend that is busy elsewhere is passed over, and the explanation says so`, () => {
    const { balancer, hear } = pool({ policy })
    hear({ a: 5, b: 0, c: 5 })
    const [best, ...others] = balancer.explain().backends
    assert.deepEqual([best?.id, best?.inFlight, best?.load], ['b-1', 0, 0])
    assert.match(best?.reason ?? '', /: .*0( \+ 1)? requests/)
    for (const { inFlightElsewhere, inFlight, load, parts, reason } of others) {
      assert.deepEqual([inFlightElsewhere, inFlight, load, parts.elsewhere], [5, 0, 5, 5])
      assert.match(reason, /5 \(5 of them for other gateways\)/)
    }
    // Of two that are drawn the better one is chosen; a backend that has never answered gets one request at first.
    const times = { 'least-connections': 5, 'power-of-two': 2, 'least-response-time': 1 }[policy]
    for (let i = 0; i < times; i++) assert.equal(balancer.acquire().backend.id, 'b-1')
    assert.deepEqual(
      balancer
        .decisions({ limit: 1 })
        .map(({ inFlight, inFlightElsewhere, load }) => [inFlight, inFlightElsewhere, load]),
      [[times, 0, times]],
    )
    balancer.close()
  })
}

for (const policy of ['round-robin', 'weighted-round-robin'] as const) {
  test(`${policy}: requests of other gateways make no difference`, () => {
    const { balancer, hear } = pool({ policy })
    hear({ a: 50 })
    for (let i = 0; i < 9; i++) balancer.acquire()
    assert.deepEqual(
      balancer.registry.list().map(({ inFlight }) => inFlight),
      [3, 3, 3],
    )
    balancer.close()
  })
}

test('weights are respected: what all gateways have together follows them', () => {
  const { balancer, hear } = pool({ backends: [{ url: 'http://a:1', weight: 3 }, { url: 'http://b:1' }] })
  hear({ a: 6, b: 6 })
  for (let i = 0; i < 12; i++) balancer.acquire()
  assert.deepEqual(
    balancer.registry.list().map(({ load }) => load),
    [18, 6],
  )
  balancer.close()
})

test('a fraction of a request decides among backends with equally many, in steps of an eighth', () => {
  const { balancer, hear, counted } = pool()
  hear({ a: 1.49, b: 1.3, c: 1.13 })
  assert.deepEqual(counted(), [1.375, 1.25, 1.125])
  const chosen = Array.from({ length: 6 }, () => balancer.acquire().backend.id)
  assert.deepEqual(chosen, ['c-1', 'b-1', 'a-1', 'c-1', 'b-1', 'a-1'])
  balancer.close()
})

test('a backend that joins, comes back or gets another weight begins with the mean of the others', () => {
  const { balancer, hear, counted } = pool()
  const { registry } = balancer
  hear({ a: 8, b: 16, c: 0 })
  registry.add({ url: 'http://d:1', weight: 2 })
  assert.deepEqual(counted(), [8, 16, 0, 16], 'for its weight')
  registry.update('d-1', { weight: 1 })
  assert.deepEqual(counted(), [8, 16, 0, 8])
  registry.drain('c-1')
  registry.activate('c-1')
  assert.equal(registry.get('c-1').countedElsewhere, 10.625, 'what it had while it drained is no measure')
  balancer.close()
})

test('gateways that hear the same do not all prefer the same backend', () => {
  const favourites = new Set<string>()
  for (let gateway = 0; gateway < 20; gateway++) {
    const clock = new TestClock()
    const balancer = new Balancer({
      clock,
      backends: urls,
      random: seeded(gateway),
    })
    balancer.parts.loadElsewhere.set(held({ a: 4, b: 4, c: 4 }), 9)
    clock.pass(60_000)
    favourites.add(balancer.explain().backend ?? '')
    balancer.close()
  }
  assert.equal(favourites.size, 3)
})

test('with `fleetCounts: off` what other gateways have is shown and does not count; the option may change', () => {
  const { balancer, hear, counted } = pool()
  balancer.configure({ fleetCounts: 'off' })
  hear({ a: 3 })
  assert.deepEqual(
    [elsewhere(balancer), counted()],
    [
      [3, 0, 0],
      [0, 0, 0],
    ],
  )
  balancer.configure({ fleetCounts: 'on' })
  assert.deepEqual(counted(), [3, 0, 0])
  balancer.configure({ fleetCounts: 'off' })
  assert.deepEqual(
    balancer.registry.list().map(({ load }) => load),
    [0, 0, 0],
  )
  assert.throws(() => new Balancer({ fleetCounts: 'maybe' as 'on' }), InvalidOptionError)
  balancer.close()
})

test('at low load nothing counts, and backends take turns', () => {
  const { balancer, hear, counted } = pool()
  hear({ a: 0.1, b: 0.05 })
  assert.deepEqual(counted(), [0, 0, 0])
  balancer.close()
})

test('a busy key leaves its backend sooner where other gateways have many requests on it', () => {
  const choices = [0, 60].map((total) => {
    const clock = new TestClock()
    const balancer = new Balancer({
      clock,
      slowStart: 0,
      random: () => 0,
      backends: urls,
      affinity: 'ip',
      affinityOverload: 150,
    })
    const home = balancer.explain({ key: 'k' }).backend as string
    balancer.parts.loadElsewhere.set(held({ [home[0] as string]: total }), 1)
    clock.pass(60_000)
    const others = new Set([balancer.registry.get(home)])
    for (let i = 0; i < 24; i++) balancer.acquire(others)
    for (let i = 0; i < 12; i++) balancer.lease({ key: 'k', onLease() {}, onReject: assert.ifError })
    const { backend } = balancer.explain({ key: 'k' })
    balancer.close()
    return backend === home
  })
  assert.deepEqual(choices, [true, false])
})

test('threads choose by what other gateways have: the same as one thread does', async (t) => {
  const weights = [1, 2, 1, 3]
  const backends = weights.map((weight, i) => ({ url: `http://${'abcd'[i]}:1`, weight }))
  const one = pool({ backends })
  const { control, members, clock, settled } = sharedPool(t, { members: 1, backends, slowStart: 0 })
  await settled()
  const member = members[0] as Balancer
  const totals = held({ a: 3.2, b: 0.4, c: 1.7, d: 9 })
  for (const balancer of [one.balancer, control]) balancer.parts.loadElsewhere.set(totals, 3)
  for (const passing of [one.clock, clock]) passing.pass(2000)
  for (let i = 0; i < 60; i++) {
    const [expected, chosen] = [one.balancer, member].map((balancer) => balancer.acquire())
    assert.deepEqual(
      [chosen?.backend.id, chosen?.backend.load],
      [expected?.backend.id, expected?.backend.load],
      `${i}`,
    )
  }
  // A hedge that was answered first counts beside it, and ends without it.
  const [backend] = member.registry.list()
  const before = backend?.load
  backend?.counter.addResidual()
  assert.equal(backend?.load, (before ?? 0) + 1)
  backend?.counter.clearResidual()
  assert.equal(backend?.load, before)
  one.balancer.close()
})
