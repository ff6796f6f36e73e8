import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { Balancer } from '../../../../src/balancer/balancer.js'
import type { BalancerOptions } from '../../../../src/balancer/options.js'
import { policyNames } from '../../../../src/balancer/selection/policies/index.js'
import type { CountingResult, CountingWork } from '../../../support/counting-worker.js'

const WORKERS = 4
const BACKENDS = 8

/** Has four threads choose and give back at the same time. */
async function count(
  t: TestContext,
  options: BalancerOptions,
  work: Pick<CountingWork, 'requests' | 'concurrency'>,
) {
  const backends = Array.from({ length: BACKENDS }, (_, i) => ({ url: `http://b${i}:1`, id: `b${i}` }))
  const control = new Balancer({ backends, slowStart: 0, workers: WORKERS, ...options })
  t.after(() => control.close())
  const start = new Int32Array(new SharedArrayBuffer(4))
  const ready = new Int32Array(new SharedArrayBuffer(4))
  const threads = Array.from({ length: WORKERS }, () => {
    const member = control.workers?.connect()
    assert.ok(member)
    const workerData: CountingWork = { pool: member.handle, start, ready, ...work }
    const thread = new Worker(new URL('../../../support/counting-worker.js', import.meta.url), {
      workerData,
      transferList: member.transferList,
    })
    member.follow(thread)
    return thread
  })
  t.after(() => Promise.all(threads.map((thread) => thread.terminate())))
  const results = Promise.all(threads.map((thread) => once(thread, 'message')))
  while (Atomics.load(ready, 0) < WORKERS) await new Promise(setImmediate)
  Atomics.store(start, 0, 1)
  const peaks = new Map<string, number>()
  let refused = 0
  for (const [result] of (await results) as [CountingResult][]) {
    refused += result.refused
    for (const [id, peak] of Object.entries(result.peaks)) peaks.set(id, Math.max(peak, peaks.get(id) ?? 0))
  }
  for (const backend of control.registry.list()) assert.equal(backend.inFlight, 0, 'nothing is left')
  const totals = control.registry.list().map(({ leases }) => leases.total)
  assert.equal(
    totals.reduce((a, b) => a + b),
    WORKERS * work.requests - refused,
  )
  return { peaks: [...peaks.values()], totals, refused }
}

for (const policy of policyNames) {
  test(`${policy}: four threads never have more in flight than maxConnections`, async (t) => {
    const { peaks, refused } = await count(
      t,
      { policy, maxConnections: 2 },
      { requests: 10_000, concurrency: 6 },
    )
    assert.ok(Math.max(...peaks) <= 2, `${peaks}`)
    assert.ok(refused > 0, 'there are more requests than room')
  })
}

test('least connections: 24 requests of four threads on 8 backends: peaks differ by at most 1', async (t) => {
  const { peaks } = await count(t, {}, { requests: 50_000, concurrency: 6 })
  assert.equal(peaks.length, BACKENDS)
  assert.ok(Math.max(...peaks) - Math.min(...peaks) <= 1, `${peaks}`)
})

test('round robin: four threads at once give each backend as much', async (t) => {
  const { totals } = await count(t, { policy: 'round-robin' }, { requests: 20_000, concurrency: 6 })
  assert.ok(Math.max(...totals) - Math.min(...totals) <= WORKERS, `${totals}`)
})
