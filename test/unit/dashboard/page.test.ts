import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PoolSnapshot } from '../../../src/admin/contract/pool-events.js'
import type { BackendView, PoolView, RefusalCounts } from '../../../src/balancer/index.js'
import { refusalCodes } from '../../../src/balancer/stats/refusals.js'
import { backendStatusOf } from '../../../src/dashboard/page/backend-status.js'
import { EventStreamParser } from '../../../src/dashboard/page/event-stream.js'
import { poolStatusOf } from '../../../src/dashboard/page/pool-status.js'
import { Rates } from '../../../src/dashboard/page/rates.js'

const START = Date.parse('2026-01-01T00:00:00Z')

function backend(id: string, more: Partial<BackendView> = {}): BackendView {
  return {
    id,
    url: `http://${id}:1`,
    weight: 1,
    maxConnections: null,
    state: 'active',
    health: 'healthy',
    inFlight: 0,
    inFlightElsewhere: 0,
    tunnels: 0,
    total: 0,
    failed: 0,
    latency: { ewma: 1, p50: 1, p99: 2 },
    addedAt: '2026-01-01T00:00:00.000Z',
    share: 1,
    ejectedUntil: null,
    lastCheck: null,
    backup: false,
    healthPort: null,
    healthHost: null,
    ca: null,
    cert: null,
    key: null,
    servername: null,
    rejectUnauthorized: null,
    unresolved: null,
    ...more,
  }
}

/** Counts of refusals, 0 where none is given. */
function refused(counts: Partial<RefusalCounts>): RefusalCounts {
  const zeros = Object.fromEntries(refusalCodes.map((code) => [code, 0])) as RefusalCounts
  return { ...zeros, ...counts }
}

function snapshot(second: number, backends: BackendView[], more: Partial<PoolView> = {}): PoolSnapshot {
  const pool: PoolView = {
    policy: 'least-connections',
    backends: backends.length,
    eligible: backends.filter(({ state, health }) => state === 'active' && health === 'healthy').length,
    panic: false,
    inFlight: 0,
    queue: { length: 0, limit: 10 },
    closing: false,
    requests: backends.reduce((sum, { total }) => sum + total, 0),
    retries: 0,
    hedges: 0,
    refused: refused({}),
    ...more,
  }
  return { at: new Date(START + second * 1000).toISOString(), pool, backends }
}

test('an event stream is read however it is cut', () => {
  const text = 'retry: 2000\n\n: hi\n\nid: 7\nevent: change\ndata: {"a":1}\n\ndata: x\ndata: y\n\n'
  for (let size = 1; size <= text.length; size++) {
    const parser = new EventStreamParser()
    const events = []
    for (let at = 0; at < text.length; at += size) events.push(...parser.push(text.slice(at, at + size)))
    assert.deepEqual(events, [
      { id: '7', type: 'change', data: '{"a":1}' },
      { id: undefined, type: 'message', data: 'x\ny' },
    ])
  }
})

test('rates are over five seconds, and a count that begins anew is no negative one', () => {
  const rates = new Rates()
  const a = (total: number, failed = 0) => backend('a', { total, failed })
  for (let second = 0; second <= 20; second++) rates.add(snapshot(second, [a(second * 10, second)]))
  assert.deepEqual([rates.of(a(0)).requests, rates.of(a(0)).failures], [10, 1])
  for (let second = 21; second <= 23; second++)
    rates.add(snapshot(second, [a(200 + (second - 20) * 100, 20)]))
  assert.equal(rates.of(a(0)).requests, 64, 'three of five seconds at 100, two at 10')
  assert.equal(rates.latest?.requests, 100)
  rates.add(snapshot(24, [a(3)]))
  assert.equal(rates.of(a(0)).requests, 0)
  rates.add(snapshot(25, [a(8)]))
  assert.equal(rates.of(a(0)).requests, 5)
  rates.add(snapshot(26, []))
  assert.equal(rates.of(a(0)).requests, 0)
})

test('how a backend is: the operator goes before the checks, the checks before requests', () => {
  const kind = (more: Partial<BackendView>) => backendStatusOf(backend('a', more), START).kind
  assert.equal(kind({}), 'healthy')
  assert.equal(kind({ health: 'unknown' }), 'unknown')
  assert.equal(kind({ share: 0.5 }), 'limited')
  assert.equal(kind({ health: 'unhealthy', share: 0.5 }), 'unhealthy')
  assert.equal(kind({ health: 'ejected', state: 'draining' }), 'draining')
  const ejectedUntil = new Date(START + 9000).toISOString()
  assert.equal(
    backendStatusOf(backend('a', { health: 'ejected', ejectedUntil }), START).detail,
    'tried again in 9 s',
  )
})

test('the status of the pool says what is the matter, worst first', () => {
  const of = (backends: BackendView[], more: Partial<PoolView> = {}) => {
    const rates = new Rates()
    rates.add(
      snapshot(
        0,
        backends.map((one) => ({ ...one, total: 0, failed: 0 })),
      ),
    )
    rates.add(snapshot(1, backends, more))
    return poolStatusOf(snapshot(1, backends, more), rates)
  }
  const [a, b] = [backend('a'), backend('b')]
  assert.deepEqual(of([a, b]), { level: 'good', lines: ['All 2 backends take requests.'] })
  assert.equal(of([a]).lines[0], 'The one backend takes requests.')
  assert.equal(of([]).lines[0], 'There is no backend: requests are answered 503.')
  const sick = backend('c', { health: 'unhealthy' })
  assert.deepEqual(of([a, sick]), { level: 'warning', lines: ['1 of 2 backends is out: c.'] })
  assert.equal(of([sick]).lines[0], 'No usable backend: requests are answered 503.')
  assert.equal(of([a, sick], { panic: true }).level, 'bad')
  const drains = backend('d', { state: 'draining' })
  assert.deepEqual(of([a, drains]).lines, ['1 of 2 backends drains: d.'])
  assert.equal(of([a], { queue: { length: 3, limit: 10 } }).level, 'warning')
  assert.equal(of([a], { queue: { length: 10, limit: 10 } }).level, 'bad')
  assert.equal(of([a], { closing: true }).lines[0], 'The gateway shuts down.')
  const failing = backend('f', { total: 100, failed: 5 })
  assert.equal(of([a, failing]).lines[0], '5.0 % of requests fail at a backend, most at f.')
  assert.equal(of([a, backend('f', { total: 1000, failed: 5 })]).level, 'good')
  const many = Array.from({ length: 9 }, (_, i) => backend(`x${i}`, { health: 'ejected' }))
  assert.equal(of([a, ...many]).lines[0], '9 of 10 backends are out: x0, x1, x2 and 6 more.')
})

test('the status of the pool says first how many clients get 503, and mostly why', () => {
  const rates = new Rates()
  const gone = backend('a', { state: 'draining' })
  const at = (second: number, counts: Partial<RefusalCounts>) =>
    snapshot(second, [gone], { refused: refused(counts) })
  rates.add(at(0, { LEASTWISE_NO_BACKEND: 0, LEASTWISE_QUEUE_FULL: 7 }))
  assert.equal(poolStatusOf(at(0, {}), rates).lines[0], 'No usable backend: requests are answered 503.')
  const now = at(2, { LEASTWISE_NO_BACKEND: 80, LEASTWISE_QUEUE_FULL: 8 })
  rates.add(now)
  assert.equal(rates.pool.refused, 40.5)
  assert.deepEqual(
    [poolStatusOf(now, rates).level, poolStatusOf(now, rates).lines[0]],
    ['bad', '40.5 clients a second get 503 now: no backend is usable.'],
  )
  for (let second = 3; second <= 8; second++) rates.add({ ...now, at: at(second, {}).at })
  assert.equal(poolStatusOf(now, rates).lines[0], 'No usable backend: requests are answered 503.')
  // Another process counts anew.
  rates.add(at(9, { LEASTWISE_NO_BACKEND: 3 }))
  assert.equal(rates.pool.refused, 0)
})
