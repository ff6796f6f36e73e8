import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../../../src/balancer/balancer.js'
import type { HeldElsewhere } from '../../../../src/balancer/fleet/load-elsewhere.js'
import { sharedPool } from '../../../support/pool-members.js'

const urls = ['http://a:1', 'http://b:1', 'http://c:1']

/** What others hold on each backend, by the first letters of their host names. */
function held(totals: Record<string, number | HeldElsewhere>): Map<string, HeldElsewhere> {
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
