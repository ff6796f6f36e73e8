import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../../src/balancer/index.js'
import type { Pool } from '../../../src/cli/responses.js'
import { draw } from '../../../src/cli/top/picture.js'
import { between, refusedPerSecond, type Sample } from '../../../src/cli/top/sample.js'

function sampleOf(
  time: number,
  counts: Record<string, [total: number, failed: number, inFlight?: number]>,
): Sample {
  const balancer = new Balancer({
    backends: Object.keys(counts).map((id, i) => ({ id, url: `http://10.0.${i >> 8}.${i & 255}:80` })),
  })
  const backends = balancer.registry.list().map((backend) => {
    const [total, failed, inFlight = 0] = counts[backend.id] as [number, number, number?]
    return { ...backend.view(), total, failed, inFlight }
  })
  const pool = balancer.view()
  balancer.close()
  return { at: new Date(0), time, pool, backends }
}

test('rates are of what was between two samples, by the time that was between them', () => {
  const before = sampleOf(1000, { a: [100, 10], b: [50, 0], again: [900, 9] })
  const now = sampleOf(3000, { a: [130, 14], b: [50, 0], again: [6, 0], added: [4, 4] })
  assert.deepEqual(
    [...between(before, now)],
    [
      ['a', { share: 0.75, requestsPerSecond: 15, failedPerSecond: 2 }],
      ['b', { share: 0, requestsPerSecond: 0, failedPerSecond: 0 }],
      // Counts from 0 again, so it was registered again.
      ['again', { share: 0.15, requestsPerSecond: 3, failedPerSecond: 0 }],
      ['added', { share: 0.1, requestsPerSecond: 2, failedPerSecond: 2 }],
    ],
  )
  const [first] = between(now, now).values()
  assert.deepEqual(first, { share: 0, requestsPerSecond: 0, failedPerSecond: 0 })
})

test('the most loaded comes first, or the first by name', () => {
  const sample = sampleOf(0, { c: [0, 0, 3], a: [0, 0, 1], b: [0, 0, 3] })
  const ids = (order: 'in-flight' | 'id') =>
    draw({ sample, recent: undefined, order })
      .slice(2)
      .map((line) => line[0])
      .join('')
  assert.deepEqual([ids('in-flight'), ids('id')], ['bca', 'abc'])
})

test('of 1,000 backends as many are drawn as fit, and the rest is counted', () => {
  const sample = sampleOf(
    0,
    Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`backend-${i}`, [0, 0]])),
  )
  for (const [width, height] of [
    [80, 24],
    [40, 5],
    [200, 3],
    [1, 1],
  ] as const) {
    const lines = draw({ sample, recent: between(sample, sample), order: 'id' }, width, height)
    assert.equal(lines.length, height)
    assert.ok(lines.every(({ length }) => length <= width))
  }
  const lines = draw({ sample, recent: undefined, order: 'id' }, 80, 24)
  assert.match(lines[1] as string, /^id +state +health +in flight/)
  assert.equal(lines.at(-1), '… and 979 more')
  assert.equal(draw({ sample, recent: undefined, order: 'id' }, 200, 1002).length, 1002)
  assert.match(draw({ sample, recent: undefined, order: 'id' }, 200, 1002).at(-1) as string, /^backend-999 /)
})

test('the line of the pool has what a gateway tells', () => {
  const sample = sampleOf(0, { a: [0, 0] })
  const line = (pool: Partial<Pool>) =>
    draw({
      sample: { ...sample, pool: { ...sample.pool, ...pool } },
      recent: between(sample, sample),
      order: 'id',
    })[0]
  assert.equal(
    line({ inFlight: 7, queue: { length: 2, limit: 9 }, retries: 3, hedges: 4 }),
    'least-connections | in flight 7 | queue 2 of 9 | eligible 1 of 1 | 0.0 req/s | retries 3 | hedges 4 | panic no',
  )
  assert.match(
    line({ panic: true, closing: true, policy: '\x1b' }) as string,
    /^\\u\{1b\} .*\| panic YES \| CLOSING$/,
  )
  const refused = (count: number) => ({
    ...sample.pool,
    refused: { LEASTWISE_NO_BACKEND: count, LEASTWISE_STOPPED: 1 },
  })
  const [before, now] = [
    { ...sample, pool: refused(10) },
    { ...sample, time: 2000, pool: refused(90) },
  ]
  assert.equal(refusedPerSecond(before, now), 40)
  assert.equal(refusedPerSecond(now, { ...before, time: 3000 }), 11, 'it was started anew')
  assert.match(
    draw({ sample: now, recent: undefined, refused: 40, order: 'id' }, 60)[0] as string,
    /^least-connections \| refused 40\.0\/s \| in flight/,
  )
  const { retries: _, hedges: __, refused: ___, ...old } = sample.pool
  assert.equal(refusedPerSecond(sample, { ...sample, pool: old }), undefined)
  assert.doesNotMatch(
    draw({ sample: { ...sample, pool: old }, recent: undefined, order: 'id' })[0] as string,
    /retries|hedges|req|refused/,
  )
})

test('gateways that share a store have a line, and what is in flight elsewhere a column', () => {
  const plain = sampleOf(0, { a: [0, 0, 3] })
  const draws = (sample: Sample, width?: number) => draw({ sample, recent: undefined, order: 'id' }, width)
  assert.doesNotMatch(draws(plain).join('\n'), /elsewhere|gateways|store/)
  const store = { name: 'redis://store:6379', away: false, awaySince: null }
  const gateway = (id: string, inFlight: number, self: boolean) => ({ id, inFlight, self, lastSeen: '' })
  const shared: Sample = {
    ...plain,
    pool: { ...plain.pool, store },
    backends: plain.backends.map((backend) => ({ ...backend, inFlightElsewhere: 7 })),
    gateways: [gateway('one', 3, true), gateway('two', 7, false)],
  }
  const [, fleet, head, row] = draws(shared)
  assert.equal(fleet, '2 gateways, in flight: one (this) 3, two 7 | store redis://store:6379')
  assert.match(head as string, /in flight +elsewhere/)
  assert.match(row as string, / 3 +7 /)
  const away = { ...shared, pool: { ...shared.pool, store: { ...store, away: true } } }
  assert.match(
    draws(away, 60)[1] as string,
    /^store AWAY, changes are refused: redis:\/\/store:6379 \| 2 gat/,
  )
  assert.equal(draw({ sample: away, recent: undefined, order: 'id' }, 80, 3).length, 3)
})
