import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { PoolWorkers } from '../../src/balancer/threads/pool-workers.js'
import type { WorkerChange } from '../../src/balancer/threads/worker-change.js'
import { openGateway } from '../support/gateway.js'
import type { Death } from '../support/mortal-worker.js'
import { RawClient } from '../support/raw.js'
import { ScriptedBackend } from '../support/scripted-backend.js'
import { noSharedPort } from '../support/shared-port.js'
import { kill, threads } from '../support/threads.js'
import { until } from '../support/until.js'

const mortal = new URL('../support/mortal-worker.js', import.meta.url)
const STREAM = 'GET /stream HTTP/1.1\r\nHost: a\r\n\r\n'

async function play(t: TestContext, workers = 2) {
  const backend = await new ScriptedBackend().listen()
  const gateway = await openGateway(
    [backend],
    { WORKERS: `${workers}` },
    { delays: { next: () => 0 }, file: mortal },
  )
  t.after(async () => {
    await gateway.close()
    await backend.close()
  })
  const pool = gateway.balancer.workers as PoolWorkers
  const changes: WorkerChange[] = []
  pool.on('change', (change) => changes.push(change))
  /** Streams on connections of their own, until each worker has one. */
  const streams: RawClient[] = []
  while (pool.list.some((worker) => pool.inFlightOf(worker) === 0)) {
    const client = new RawClient(gateway.url).send(STREAM)
    await client.until('first')
    streams.push(client)
  }
  return { gateway, backend, pool, changes, streams }
}

/** How many connections the other side has ended. */
const cutOff = (clients: RawClient[]) =>
  clients.filter(({ socket }) => socket.readableEnded || socket.closed).length

for (const [death, reason] of [
  ['throw', 'the worker was told to throw'],
  ['reject', 'the worker was told to reject'],
  ['exit', 'the thread ended with exit code 3'],
] satisfies [Death, string][]) {
  test(`a worker that dies by ${death}: its requests are reset and taken off, the others go on, another starts`, {
    skip: noSharedPort,
  }, async (t) => {
    const { gateway, backend, pool, changes, streams } = await play(t)
    const [victim] = threads
    const [first, other] = pool.list.map((worker) => pool.inFlightOf(worker)) as [number, number]
    const ended = new Promise((resolve) => victim?.once('exit', resolve))
    victim?.postMessage(death)
    await ended
    await until(
      () => changes.map(({ state }) => state).join(),
      (states) => states === 'ended,started',
    )
    assert.deepEqual(changes[0], { number: 0, state: 'ended', reason, cut: first })
    assert.equal(gateway.balancer.registry.inFlight, other)
    await until(
      () => backend.open,
      (open) => open === other,
    )
    await until(
      () => cutOff(streams),
      (count) => count === first,
    )
    for (const client of streams) client.close()
    await gateway.settled()
  })
}

test('all workers die at once: the port is opened again, and every count is 0', {
  skip: noSharedPort,
}, async (t) => {
  const { gateway, pool, changes, streams } = await play(t, 2)
  await Promise.all([...threads].map(kill))
  assert.equal(gateway.balancer.registry.inFlight, 0)
  await until(
    () => changes.filter(({ state }) => state === 'started').length,
    (started) => started === 2,
  )
  assert.equal(pool.list.length, 2)
  for (const client of streams) await client.untilClosed()
  // The new ones listen a moment later.
  await until(
    async () => {
      const client = new RawClient(gateway.url).send('GET /ok HTTP/1.1\r\nHost: a\r\n\r\n')
      const text = await client.until(/ok$/).catch(() => '')
      client.close()
      return text
    },
    (text) => text.startsWith('HTTP/1.1 200'),
  )
  await gateway.settled()
})

test('a worker that dies while the gateway stops is not waited for, and what it had counts as cut', {
  skip: noSharedPort,
}, async (t) => {
  const { gateway, pool, streams } = await play(t)
  const [first] = pool.list.map((worker) => pool.inFlightOf(worker)) as [number]
  const [victim] = threads
  const closed = gateway.close(60_000)
  victim?.postMessage('throw' satisfies Death)
  await until(
    () => cutOff(streams),
    (count) => count >= first,
  )
  for (const client of streams) client.close()
  assert.equal(await closed, first)
})
