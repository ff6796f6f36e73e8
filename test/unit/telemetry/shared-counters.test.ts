import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { MessageChannel, Worker } from 'node:worker_threads'
import { Registry } from 'prom-client'
import { Balancer } from '../../../src/balancer/balancer.js'
import { exposition } from '../../../src/telemetry/metrics/exposition.js'
import { registerIn } from '../../../src/telemetry/metrics/metrics.js'
import { type PoolCounters, RequestCounters } from '../../../src/telemetry/metrics/request-counters.js'
import { SharedCounters } from '../../../src/telemetry/metrics/shared-counters.js'
import { Channel } from '../../../src/threads/channel.js'
import { type CountedRequest, count, type ToCountingThread } from '../../support/counting-thread.js'
import { parseExposition } from '../../support/exposition.js'
import { sharedPool } from '../../support/pool-members.js'
import { seeded } from '../../support/random.js'
import { until } from '../../support/until.js'

const options = {
  backends: ['http://a:1;id=a', 'http://b:1;id=b'].map((text) => ({
    url: text.slice(0, 10),
    id: text.slice(-1),
  })),
  slowStart: 0,
  failureDecay: 0,
  ejectMaxPercent: 0,
}

/** A worker thread that counts requests, and takes a place in the pool. */
async function start(t: TestContext, control: Balancer) {
  const member = control.workers?.connect()
  assert.ok(member)
  const { port1, port2 } = new MessageChannel()
  const thread = new Worker(new URL('../../support/counting-thread.js', import.meta.url), {
    workerData: { pool: member.handle, port: port2 },
    transferList: [...member.transferList, port2],
  })
  member.follow(thread)
  t.after(() => thread.terminate())
  const channel = new Channel<object, ToCountingThread>(port1, {}, { onError: assert.fail })
  await until(() => member.takesPart, Boolean)
  return { thread, ask: channel.ask.bind(channel) }
}

const random = seeded(16)
const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T

function someRequest(): CountedRequest {
  const backend = pick(['a', 'b', null])
  const outcome = backend === null ? 'refused' : pick(['ok', 'failed'] as const)
  return {
    backend,
    outcome,
    statusCode: outcome === 'ok' ? pick([200, 304]) : 503,
    error: outcome === 'ok' ? null : pick(['LEASTWISE_NO_BACKEND', 'LEASTWISE_BAD_GATEWAY', 'APP_CODE']),
    bytesIn: backend === null ? 0 : Math.floor(random() * 100),
    bytesOut: Math.floor(random() * 1000),
    // Whole powers of two, so that sums are the same in any order.
    responseTime: 1000 * 2 ** Math.floor(random() * 8 - 8),
    firstByteTime: pick([null, 1000 * 2 ** -9]),
    waited: pick([0, 0.25]),
  }
}

const timeout = { timeout: 60_000 }
const ATTEMPTS = 'leastwise_backend_attempts_total'

async function page(balancer: Balancer, counters: PoolCounters) {
  const registry = new Registry()
  registerIn(registry, { name: 'p', balancer, counters })
  let text = ''
  for await (const chunk of exposition(registry)) text += chunk
  return parseExposition(text)
}

/** The lines that count something, apart from those of workers, and of the attempts that were cancelled. */
async function counts(balancer: Balancer, counters: PoolCounters) {
  const { samples } = await page(balancer, counters)
  return samples
    .filter(({ name, labels }) => /_(total|bucket|sum|count)$/.test(name) && labels.worker === undefined)
    .filter(({ name, labels }) => name !== ATTEMPTS || labels.outcome !== 'cancelled')
    .map(({ name, labels, value }) => `${name} ${JSON.stringify(labels)} ${value}`)
    .sort()
}

test('metrics of a pool with several threads are those of one thread that had all requests, also after a worker ended', async (t) => {
  const alone = new Balancer(options)
  const control = new Balancer({ ...options, workers: 2 })
  t.after(() => control.close())
  assert.ok(control.workers)
  const sums = SharedCounters.allocate(control.workers.table).summed()
  const local = new RequestCounters()
  const workers = [await start(t, control), await start(t, control)]
  const send = async (at: number, number: number) => {
    const requests = Array.from({ length: number }, someRequest)
    for (const request of requests) count(alone, local, request)
    await workers[at]?.ask('count', requests, timeout)
  }
  assert.deepEqual(await counts(control, sums), await counts(alone, local))
  await Promise.all([send(0, 300), send(1, 200)])
  const before = await counts(control, sums)
  assert.deepEqual(before, await counts(alone, local))

  await workers[0]?.ask('hold', 5, timeout)
  assert.equal(control.view().inFlight, 5)
  await workers[0]?.thread.terminate()
  assert.equal(control.view().inFlight, 0)
  assert.deepEqual(await counts(control, sums), before)
  assert.equal((await page(control, sums)).sum(ATTEMPTS, { outcome: 'cancelled' }), 5, 'those that were cut')
  assert.equal(control.view().requests, 500)

  workers[0] = await start(t, control)
  await send(0, 100)
  await send(1, 50)
  assert.deepEqual(await counts(control, sums), await counts(alone, local))
  const worker = (await page(control, sums)).samples.filter(({ labels }) => labels.worker !== undefined)
  const values = (name: string) => worker.filter((one) => one.name === name).map(({ value }) => value)
  assert.deepEqual(values('leastwise_worker_requests_total'), [400, 250])
  assert.deepEqual(values('leastwise_worker_restarts_total'), [1, 0])
  assert.deepEqual(values('leastwise_worker_in_flight'), [0, 0])
  await workers[1]?.thread.terminate()
  const left = (await page(control, sums)).samples
  assert.equal(left.filter(({ name }) => name === 'leastwise_worker_in_flight').length, 1)
  assert.equal(left.filter(({ name }) => name === 'leastwise_worker_requests_total').length, 2)
})

test('error codes beyond 100 are counted together, whichever worker has them', (t) => {
  const { control, workers } = sharedPool(t, { members: 2, ...options })
  assert.ok(control.workers)
  const shared = SharedCounters.allocate(control.workers.table)
  const errors = workers.map(({ number }) => shared.memoryOf(number).errors)
  for (let i = 0; i < 200; i++) errors[i % 2]?.add(`CODE_${i}`)
  for (const own of errors) own.add('CODE_3')
  for (const own of errors) own.add('x'.repeat(500))
  const found = new Map(shared.summed().errors)
  assert.equal(found.size, 101)
  assert.equal(found.get('CODE_3'), 3)
  assert.equal(found.get('LEASTWISE_OVERLOADED'), 0)
  assert.equal(found.get('CODE_93'), 1)
  assert.equal(found.get('CODE_94'), undefined)
  assert.equal(found.get('other'), 106 + 2)
})

test('a row that another backend gets counts from 0', (t) => {
  const { control } = sharedPool(t, { members: 1, ...options })
  assert.ok(control.workers)
  const shared = SharedCounters.allocate(control.workers.table)
  const backend = control.registry.get('a')
  shared.memoryOf(0).backend(backend).count({ statusCode: 200, outcome: 'ok', bytesOut: 7 })
  shared.memoryOf(0).backend().count({ statusCode: 503, outcome: 'refused', bytesOut: 8 })
  const sums = shared.summed()
  assert.equal(sums.of(backend).bytesOut, 7)
  control.workers.table.clear(backend.row)
  assert.equal(sums.of(backend).bytesOut, 0)
  assert.equal(sums.none.bytesOut, 8)
})
