import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { Balancer } from '../../../../src/balancer/balancer.js'
import { PoolTable, poolColumn, poolWord } from '../../../../src/balancer/threads/table.js'
import { type QueueLoad, REFUSED, SERVED, WAITING } from '../../../support/queue-load.js'
import { until } from '../../../support/until.js'

const script = join(import.meta.dirname, '../../../support/queue-worker.js')
const shared = (words: number) => new Int32Array(new SharedArrayBuffer(4 * words))

type Load = Partial<Pick<QueueLoad, 'requests' | 'atOnce' | 'longestHold' | 'blocks'>>

/** Threads that load a pool of two backends with five slots each. */
function start(t: TestContext, loads: Load[], { isOpen = true, queueLimit = 1000 } = {}) {
  const control = new Balancer({
    workers: loads.length,
    backends: ['http://a:1', 'http://b:1'],
    maxConnections: 5,
    slowStart: 0,
    queueLimit,
  })
  t.after(() => control.close())
  const seen = shared(4)
  const results = shared(3)
  const gate = shared(1)
  if (isOpen) gate[0] = 1
  const threads = loads.map((load) => {
    const member = control.workers?.connect()
    if (!member) throw new Error('the pool has no workers')
    const common = { seen, results, gate, queueLimit, requests: 0, atOnce: 0, longestHold: 5, blocks: 0 }
    const workerData: QueueLoad = { ...common, pool: member.handle, ...load }
    const thread = new Worker(script, { workerData, transferList: member.transferList })
    member.follow(thread)
    return { member, thread }
  })
  const exits = Promise.all(threads.map(({ thread }) => once(thread, 'exit')))
  t.after(() => Promise.all(threads.map(({ thread }) => thread.terminate())))
  const table = new PoolTable((threads[0] as (typeof threads)[0]).member.handle.table)
  return {
    control,
    threads: threads.map(({ thread }) => thread),
    seen,
    results,
    gate,
    ended: () => exits,
    waiting: () => Atomics.load(table.words, poolWord.waiting),
    servedByTimer: () => table.pool.sum(0, poolColumn.servedByTimer),
  }
}

const busy = { requests: 150, atOnce: 10 }
const cases: [name: string, loads: Load[]][] = [
  ['in all workers', [busy, busy, busy, busy]],
  ['in some workers', [{ requests: 300, atOnce: 20 }, {}, { requests: 300, atOnce: 20 }, {}]],
  ['in all workers, of which one is busy', [{ ...busy, requests: 30, blocks: 20 }, busy, busy, busy]],
]

for (const [name, loads] of cases) {
  test(`requests that wait ${name}: each is served, never beyond a limit, and no timer has to find a slot`, async (t) => {
    const pool = start(t, loads)
    await pool.ended()
    const requests = loads.reduce((sum, load) => sum + (load.requests ?? 0), 0)
    assert.deepEqual([...pool.results], [requests, 0, 0])
    assert.deepEqual([pool.seen[1], pool.seen[3]], [5, 5])
    assert.deepEqual([pool.waiting(), pool.control.registry.inFlight], [0, 0])
    // A timer may come just between the release of a slot and the call for it. Without calls it would serve most.
    assert.ok(pool.servedByTimer() <= requests / 100, `${pool.servedByTimer()} of ${requests}`)
  })
}

test('the limit of the queue is exact over several workers that fill it at the same time', async (t) => {
  const load = { requests: 50, atOnce: 50 }
  const { results, gate, waiting, ended, control } = start(t, [load, load, load, load], {
    isOpen: false,
    queueLimit: 10,
  })
  await until(
    () => Atomics.load(results, SERVED) + Atomics.load(results, REFUSED),
    (answered) => answered === 190,
  )
  assert.deepEqual([results[SERVED], results[WAITING], waiting()], [10, 10, 10])
  assert.equal(control.view().queue.length, 10)
  Atomics.store(gate, 0, 1)
  await ended()
  assert.deepEqual([results[SERVED], results[REFUSED], waiting()], [20, 180, 0])
})

test('a worker that ends while its requests wait takes none of them along', async (t) => {
  const load = { requests: 20, atOnce: 20 }
  const { gate, waiting, threads, ended, control } = start(t, [load, load, load], { isOpen: false })
  await until(waiting, (count) => count === 50)
  const [first] = threads
  await first?.terminate()
  await until(waiting, (count) => count === 30)
  assert.equal(control.registry.inFlight, 10)
  Atomics.store(gate, 0, 1)
  await ended()
  assert.deepEqual([waiting(), control.registry.inFlight], [0, 0])
})
