import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CoresResult, CoresRow } from '../../bench/cores/cores.js'
import { goals } from '../../bench/cores/goals.js'
import type { Peaks } from '../../bench/cores/peak.js'
import { type Sharing, sensibleWorkers } from '../../bench/cores/placement.js'
import { report } from '../../bench/cores/report.js'
import { requestsByWorker, sharesBetween } from '../../bench/cores/shares.js'
import { startScript, stop } from '../../bench/cost/child.js'
import { ownNode } from '../../bench/cost/nodes.js'
import { ask } from '../../bench/cost/rounds.js'
import { openGateway } from '../support/gateway.js'

const row = (workers: number, more: Partial<CoresRow> = {}): CoresRow => ({
  workers,
  cost: [40, 80, 40],
  rate: [25_000, 12_500, 25_000],
  busy: [1, 1, 1],
  memory: 100 * 2 ** 20,
  shares: undefined,
  peaks: [8, 8, 8],
  ...more,
})

const result = (rows: CoresRow[], sharing: Sharing): CoresResult => ({
  rows,
  node: ownNode,
  placement: { sharing, gateway: [1, 2], load: [0] },
  processors: 4,
  rounds: 3,
  duration: 1000,
  connections: 32,
})

const judged = (rows: CoresRow[]) => goals(result(rows, 'own')).map(({ value, reached }) => [value, reached])

test('goals compare within a round, and take the peaks of the most workers', () => {
  const two = row(2, { cost: [43, 86, 90], rate: [47_500, 23_750, 30_000], busy: [2, 2, 2] })
  assert.deepEqual(judged([row(1, { peaks: [5, 8, 9] }), two, row(4, { peaks: [8, 7, 8] })]), [
    ['1.07', true],
    ['1.90', true],
    ['8 / 7 / 8', true],
  ])
  const dear = row(2, {
    cost: [45, 90, 45],
    rate: [40_000, 20_000, 40_000],
    busy: [2, 2, 2],
    peaks: [9, 7, 8],
  })
  assert.deepEqual(judged([row(1), dear]), [
    ['1.13', false],
    ['1.60', false],
    ['9 / 7 / 8', false],
  ])
})

test('requests a second are judged only where the cores were free, and the load kept them busy', () => {
  const two = row(2, { rate: [40_000, 20_000, 40_000], busy: [1.6, 1.6, 1.6] })
  const [, shared] = goals(result([row(1), two], 'shared'))
  assert.deepEqual([shared?.reached, shared?.why], [undefined, 'the load shares the cores with the gateway'])
  const [, one] = goals(result([row(1), two], 'one'))
  assert.deepEqual([one?.reached, one?.why], [undefined, 'the workers share one core'])
  const [, idle] = goals(result([row(1), two], 'own'))
  assert.deepEqual([idle?.reached, idle?.why], [undefined, 'the load could not keep both workers busy'])
  const [cost, rate] = goals(result([row(1)], 'own'))
  assert.deepEqual([cost?.reached, rate?.reached], [undefined, undefined])
})

test('the report has a row for each number of workers, and says of each goal what became of it', () => {
  const two = row(2, { cost: [44, 88, 44], memory: 150 * 2 ** 20, shares: [0.55, 0.45] })
  const four = row(4, { memory: 170 * 2 ** 20 })
  const text = report(result([row(1), two, four], 'shared'))
  assert.match(text, /\n\| 2 +\| 44\.0 \| 44\.0-88\.0 \| 1\.10 \| +25000 \| 1\.00 \| +12500 \| +1\.00 \|/)
  assert.match(text, /\n\| 2 +\| +150\.0 \| +50\.0 \| +55 \/ 45 \| 8 \/ 8 \/ 8 \| +0 \|/)
  assert.match(text, /\n\| 4 +\| +170\.0 \| +10\.0 \| +\| 8 \/ 8 \/ 8 \| +0 \|/)
  assert.match(text, /\nreached {4}CPU for a request .*: 1\.10\n/)
  assert.match(
    text,
    /\nnot judged requests a second .*: 1\.00 \(the load shares the cores with the gateway\)\n/,
  )
})

test('the part that each worker had of the requests is between two pages of metrics', () => {
  const page = (one: number, two: number) =>
    requestsByWorker(`leastwise_worker_requests_total{worker="1"} ${one}\nleastwise_queue{pool="a"} 3
leastwise_worker_requests_total{pool="a",worker="2"} ${two}\n`)
  assert.deepEqual(sharesBetween(page(100, 50), page(125, 125)), [0.75, 0.25])
  assert.equal(requestsByWorker('leastwise_requests_total{backend="a",code="2xx"} 7\n'), undefined)
})

test('where workers can have cores of their own, there are no more of them', () => {
  assert.deepEqual([1, 2, 3, 5, 6, 16].map(sensibleWorkers), [
    [1, 2],
    [1, 2, 4],
    [1, 2],
    [1, 2],
    [1, 2, 4],
    [1, 2, 4],
  ])
})

test('backends count the most requests that they have at a time', async (t) => {
  const { child, ready } = await startScript<{ backends: string[] }>('../cores/peak', { core: undefined })
  t.after(() => stop(child))
  const gateway = await openGateway(ready.backends, { RETRIES: '0' })
  t.after(() => gateway.close())
  const order = { port: Number(new URL(gateway.url).port), connections: 6, duration: 100 }
  let reached = 0
  while (reached < 3) {
    const { peaks, requests } = await ask<typeof order, Peaks>(child, order)
    // One more would be a request that the gateway did not count, or one of the last measurement.
    assert.ok(Math.max(...peaks) <= 2, String(peaks))
    if (requests > 0 && Math.min(...peaks) === 2) reached++
  }
})
