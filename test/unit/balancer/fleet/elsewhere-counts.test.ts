import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ElsewhereCounts, FORGOTTEN_MS, GATHER_MS } from '../../../../src/balancer/fleet/elsewhere-counts.js'
import { TestClock } from '../../../support/clock.js'
import { heardCounts } from '../../../support/heard-counts.js'

type Loads = Record<string, number>

function listener() {
  const clock = new TestClock()
  const seen = {
    inFlight: {} as Loads,
    load: {} as Loads,
    gateways: 0,
    /** The backends that each call named. */
    calls: [] as string[],
  }
  const elsewhere = new ElsewhereCounts(clock, {
    set(totals, gateways) {
      for (const [url, total] of totals) {
        for (const field of ['inFlight', 'load'] as const) {
          seen[field][url] = total[field]
          if (total[field] === 0) delete seen[field][url]
        }
      }
      seen.gateways = gateways
      seen.calls.push([...totals.keys()].sort().join())
    },
  })
  const says = (gateway: string, inFlight: Loads, quiet: Loads = {}) => {
    elsewhere.heard(heardCounts(gateway, inFlight, quiet))
  }
  return { clock, elsewhere, says, seen }
}

test('what other gateways have in flight is added up by backend', () => {
  const { clock, says, seen } = listener()
  says('one', { a: 3, b: 1 })
  says('two', { a: 2 })
  assert.deepEqual(seen.calls, [])
  clock.pass(GATHER_MS)
  assert.deepEqual(seen, { inFlight: { a: 5, b: 1 }, load: { a: 5, b: 1 }, gateways: 2, calls: ['a,b'] })
})

test('only the backends are named whose total has changed', () => {
  const { clock, elsewhere, says, seen } = listener()
  says('one', { a: 3, b: 1, c: 1 })
  clock.pass(GATHER_MS)
  says('one', { a: 3, b: 2 })
  clock.pass(GATHER_MS)
  says('one', { a: 3, b: 2 })
  clock.pass(GATHER_MS)
  says('one', { a: 3, b: 2 }, { a: 1 })
  clock.pass(GATHER_MS)
  says('two', {})
  clock.pass(GATHER_MS)
  assert.deepEqual(seen.calls, ['a,b,c', 'b,c', 'a', ''])
  elsewhere.again('a')
  elsewhere.again('c')
  assert.deepEqual(seen.calls.slice(4), ['a'])
  assert.deepEqual([seen.inFlight, seen.gateways], [{ a: 3, b: 2 }, 2])
})

test('a message replaces the one before it, and leaves what others said', () => {
  const { clock, says, seen } = listener()
  says('one', { a: 3, b: 1 })
  says('two', { a: 2, c: 7 })
  clock.pass(GATHER_MS)
  says('one', { b: 4 })
  clock.pass(GATHER_MS)
  assert.deepEqual(seen.inFlight, { a: 2, b: 4, c: 7 })
  says('one', {})
  clock.pass(GATHER_MS)
  assert.deepEqual(seen.inFlight, { a: 2, c: 7 })
  assert.equal(seen.gateways, 2)
})

test('tunnels without traffic are in flight, and no load', () => {
  const { clock, says, seen } = listener()
  says('one', { a: 1000, b: 1 }, { a: 998 })
  says('two', { a: 1 })
  clock.pass(GATHER_MS)
  assert.deepEqual(seen.inFlight, { a: 1001, b: 1 })
  assert.deepEqual(seen.load, { a: 3, b: 1 })
})

test('messages that come close together are added up once', () => {
  const { clock, says, seen } = listener()
  for (let i = 1; i <= 10; i++) {
    says(`gateway ${i}`, { a: 1 })
    clock.pass(5)
  }
  clock.pass(GATHER_MS)
  assert.equal(seen.calls.length, 1)
  assert.deepEqual(seen.inFlight, { a: 10 })
})

test('counts of a gateway that is silent stay for a while, then fade evenly, and are gone with its lease', () => {
  const { clock, says, seen } = listener()
  says('one', { a: 140 }, { a: 70 })
  const after: [number, number][] = []
  for (let time = 0; time < FORGOTTEN_MS + 500; time += 250) {
    clock.pass(250)
    after.push([clock.now(), seen.inFlight.a ?? 0])
  }
  const at = (time: number) => after.find(([then]) => then === time)?.[1]
  assert.deepEqual([at(250), at(1500)], [140, 140])
  assert.deepEqual(
    [at(2250), at(3250), at(4250)].map((count) => Math.round(count ?? 0)),
    [110, 70, 30],
  )
  const fading = after.map(([, count]) => count)
  assert.deepEqual(
    fading,
    fading.toSorted((a, b) => b - a),
  )
  assert.equal(at(FORGOTTEN_MS), 0)
  assert.deepEqual([seen.load, seen.gateways], [{}, 0])
  assert.equal(clock.pending, 0)
})

test('a gateway that fades counts in part, and in full when it is heard again', () => {
  const { clock, says, seen } = listener()
  says('one', { a: 100 })
  says('two', { a: 10 })
  for (let i = 0; i < 13; i++) {
    clock.pass(250)
    says('two', { a: 10 })
  }
  clock.pass(GATHER_MS)
  assert.ok(seen.inFlight.a && seen.inFlight.a < 70 && seen.inFlight.a > 50, `${seen.inFlight.a}`)
  assert.ok(seen.gateways > 1.4 && seen.gateways < 1.6, `${seen.gateways}`)
  says('one', { a: 100 })
  clock.pass(GATHER_MS)
  assert.deepEqual([seen.inFlight, seen.gateways], [{ a: 110 }, 2])
})

test('counts of a gateway that leaves are gone, and nothing is left to do without others', () => {
  const { clock, elsewhere, says, seen } = listener()
  says('one', { a: 3 })
  says('two', { a: 2 })
  clock.pass(GATHER_MS)
  elsewhere.left('one')
  elsewhere.left('somebody who never spoke')
  clock.pass(GATHER_MS)
  assert.deepEqual([seen.inFlight, seen.gateways], [{ a: 2 }, 1])
  elsewhere.left('two')
  clock.pass(GATHER_MS)
  assert.deepEqual([seen.inFlight, seen.gateways], [{}, 0])
  assert.equal(clock.pending, 0)
})

test('who closes hears nothing more of what was said', () => {
  const { clock, elsewhere, says, seen } = listener()
  says('one', { a: 3 })
  clock.pass(GATHER_MS)
  says('one', { a: 4 })
  elsewhere.close()
  assert.deepEqual([seen.inFlight, seen.gateways, seen.calls], [{}, 0, ['a', 'a']])
  assert.equal(clock.pending, 0)
})
