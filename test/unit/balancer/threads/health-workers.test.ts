import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { Balancer } from '../../../../src/balancer/balancer.js'
import { PoolTable, poolWord, word } from '../../../../src/balancer/threads/table.js'
import type { HealthWork } from '../../../support/health-worker.js'

const WORKERS = 4

/** Starts four threads that do something at the same time. */
function threads(t: TestContext, work: Pick<HealthWork, 'what' | 'times'>) {
  const control = new Balancer({ backends: ['http://a:1'], slowStart: 0, workers: WORKERS })
  t.after(() => control.close())
  const start = new Int32Array(new SharedArrayBuffer(4))
  const ready = new Int32Array(new SharedArrayBuffer(4))
  const probing = new Int32Array(new SharedArrayBuffer(4))
  const all: Worker[] = []
  let table: PoolTable | undefined
  for (let i = 0; i < WORKERS; i++) {
    const member = control.workers?.connect()
    assert.ok(member)
    table ??= new PoolTable(member.handle.table)
    const workerData: HealthWork = { pool: member.handle, start, ready, probing, ...work }
    const thread = new Worker(new URL('../../../support/health-worker.js', import.meta.url), {
      workerData,
      transferList: member.transferList,
    })
    member.follow(thread)
    all.push(thread)
  }
  t.after(() => Promise.all(all.map((thread) => thread.terminate())))
  const results = Promise.all(all.map((thread) => once(thread, 'message')))
  const [backend] = control.registry.list()
  assert.ok(backend && table)
  return {
    backend,
    table,
    control,
    /** Has all threads begin. */
    async begin() {
      while (Atomics.load(ready, 0) < WORKERS) await new Promise(setImmediate)
      Atomics.store(start, 0, 1)
    },
    /** Resolves to what the threads have done, added up. */
    sum: async () => ((await results) as [number][]).reduce((sum, [done]) => sum + done, 0),
  }
}

test('four threads that change one failure rate at the same time lose no result of each other', async (t) => {
  const times = 20_000
  const { backend, control, begin, sum } = threads(t, { what: 'successes', times })
  // Each success takes as much off the mark, so what was lost is seen at the end.
  const mark = control.clock.now() + 1e9
  backend.healthMemory.replaceFailureMark(0, mark)
  await begin()
  await sum()
  const expected = mark + WORKERS * times * Math.log(0.75)
  const { failureMark } = backend.healthMemory
  assert.ok(Math.abs(failureMark - expected) < 0.1, `${failureMark} and not ${expected}`)
})

test('four threads that count failures in a row at the same time lose none', async (t) => {
  const times = 200_000
  const { backend, begin, sum } = threads(t, { what: 'failures', times })
  await begin()
  await sum()
  assert.equal(backend.healthMemory.streak, WORKERS * times)
})

test('of four threads that spend the last retries at the same time, all but one may be one too many', async (t) => {
  const { begin, sum } = threads(t, { what: 'retries', times: 100 })
  await begin()
  const granted = await sum()
  t.diagnostic(`granted: ${granted} of 10`)
  assert.ok(granted >= 10 && granted <= 10 + WORKERS - 1, `${granted}`)
})

test('of four threads that take and give back a probe at the same time, one has it at a time', async (t) => {
  const times = 100_000
  const { backend, begin, sum, table } = threads(t, { what: 'probes', times })
  const { words } = table
  words[table.wordAt(backend.row, word.probe)] = 1
  words[poolWord.due] = 1
  await begin()
  assert.equal(await sum(), WORKERS * times)
  assert.equal(words[poolWord.due], 1)
})
