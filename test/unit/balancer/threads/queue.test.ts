import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Backend } from '../../../../src/balancer/backends/backend.js'
import type { Balancer } from '../../../../src/balancer/balancer.js'
import type { Lease } from '../../../../src/balancer/leases/lease.js'
import type { BalancerOptions } from '../../../../src/balancer/options.js'
import type { PoolWorker } from '../../../../src/balancer/threads/pool-worker.js'
import { PoolTable, poolColumn } from '../../../../src/balancer/threads/table.js'
import { sharedPool } from '../../../support/pool-members.js'

/** Lets every thread hear its calls. A call that leads to another one takes two turns more. */
async function calls(): Promise<void> {
  for (let i = 0; i < 12; i++) await new Promise(setImmediate)
}

/** A pool of two workers and backends with one slot each, and what became of those who asked. */
function pool(t: TestContext, options: BalancerOptions & { members?: number; count?: number } = {}) {
  const { count = 1, members = 2, ...rest } = options
  const shared = sharedPool(t, {
    members,
    backends: Array.from({ length: count }, (_, i) => ({ url: `http://b${i}:1`, id: `b${i}` })),
    maxConnections: 1,
    slowStart: 0,
    queueTimeout: 10_000,
    ...rest,
  })
  const leases = new Map<string, Lease>()
  const refused: string[] = []
  const table = new PoolTable((shared.workers[0] as PoolWorker).handle.table)
  return {
    ...shared,
    table,
    leases,
    refused,
    served: () => [...leases.keys()].join(' '),
    /** A request comes to a worker. Its name begins with the number of the worker. */
    ask: (name: string, except?: Set<Backend>) =>
      (shared.members[Number(name[0])] as Balancer).lease({
        onLease: (lease) => leases.set(name, lease),
        onReject: (error) => refused.push(`${name} ${(error as Error & { code: string }).code}`),
        except,
      }),
    end: (name: string) => (leases.get(name) as Lease).release('ok'),
    length: () => shared.control.view().queue.length,
    servedByTimer: () => table.pool.sum(0, poolColumn.servedByTimer),
  }
}

test('a slot that becomes free in one worker is given to the request that waits in another', async (t) => {
  const { ask, end, served, length, servedByTimer } = pool(t)
  ask('0a')
  ask('1b')
  assert.deepEqual([served(), length()], ['0a', 1])
  end('0a')
  await calls()
  assert.deepEqual([served(), length(), servedByTimer()], ['0a 1b', 0, 0])
})

test('between workers the request that has waited longest is served first', async (t) => {
  const { ask, end, served, clock } = pool(t, { members: 3 })
  ask('0a')
  for (const name of ['2b', '0c', '1d', '2e', '0f', '1g']) {
    clock.pass(3)
    ask(name)
  }
  for (const name of ['0a', '2b', '0c', '1d', '2e', '0f']) {
    end(name)
    await calls()
  }
  assert.equal(served(), '0a 2b 0c 1d 2e 0f 1g')
})

test('a worker serves its own request if the other one has waited hardly longer', async (t) => {
  const { ask, end, served, clock } = pool(t)
  ask('0a')
  ask('1b')
  clock.pass(2)
  ask('0c')
  end('0a')
  assert.equal(served(), '0a')
  await Promise.resolve()
  assert.equal(served(), '0a 0c', 'without a turn of the event loop')
  end('0c')
  await calls()
  assert.equal(served(), '0a 0c 1b')
})

test('a request that has just come does not overtake one that waits in another worker', async (t) => {
  const { ask, end, served, clock } = pool(t)
  ask('0a')
  ask('1b')
  clock.pass(10)
  end('0a')
  ask('0c')
  assert.equal(served(), '0a', 'the slot waits for the one who was called')
  await calls()
  assert.equal(served(), '0a 1b')
  end('1b')
  await calls()
  assert.equal(served(), '0a 1b 0c')
})

test('a slot waits 5 ms for a worker that is busy; then others use slots, but leave it one for as long again as it had waited', async (t) => {
  const { ask, end, served, clock, servedByTimer } = pool(t, { count: 2 })
  ask('0a')
  ask('0b')
  ask('1c')
  clock.pass(20)
  for (const name of ['0d', '0e', '0f']) ask(name)
  // Worker 1 hears no call before the next turn of the event loop.
  end('0a')
  end('0b')
  clock.pass(5)
  await Promise.resolve()
  assert.equal(served(), '0a 0b', 'both slots wait for worker 1')
  clock.pass(1)
  await Promise.resolve()
  assert.equal(served(), '0a 0b 0d', 'one slot is kept')
  end('0d')
  await Promise.resolve()
  assert.equal(served(), '0a 0b 0d 0e')
  clock.pass(12)
  await Promise.resolve()
  assert.equal(served(), '0a 0b 0d 0e')
  clock.pass(6)
  await Promise.resolve()
  assert.equal(served(), '0a 0b 0d 0e 0f', 'nothing is kept any more')
  await calls()
  // Now that worker 1 has answered, the next slot waits for it again.
  end('0e')
  ask('0g')
  assert.equal(served(), '0a 0b 0d 0e 0f')
  await calls()
  assert.equal(served(), '0a 0b 0d 0e 0f 1c')
  end('0f')
  await calls()
  assert.deepEqual([served(), servedByTimer()], ['0a 0b 0d 0e 0f 1c 0g', 0])
})

test('a slot that the first in line cannot use is passed on, and around only once', async (t) => {
  const { ask, end, served, clock, members, table } = pool(t, { members: 4, count: 2 })
  const first = (member: number) => new Set(members[member]?.registry.list().slice(0, 1))
  ask('0a')
  ask('0b')
  for (const member of [1, 2]) {
    clock.pass(5)
    ask(`${member}c`, first(member))
  }
  clock.pass(5)
  ask('3d')
  end('0a')
  await calls()
  assert.equal(served(), '0a 0b 3d')
  ask('3e', first(3))
  const bells = new Int32Array(table.buffers.bells)
  const rings = () => bells.reduce((sum, rung) => sum + rung)
  const before = rings()
  end('3d')
  await calls()
  clock.pass(50)
  await calls()
  assert.equal(served(), '0a 0b 3d')
  assert.equal(rings() - before, 3, 'each worker is called once')
  ask('3f')
  assert.equal(served(), '0a 0b 3d 3f', 'nobody is waited for who cannot use the slot')
  end('0b')
  await calls()
  assert.equal(served(), '0a 0b 3d 3f 1c')
})

test('where a called request has left, the slot goes to the next worker', async (t) => {
  const { ask, end, served, length } = pool(t, { members: 3 })
  ask('0a')
  const leave = ask('1b')
  ask('2c')
  end('0a')
  leave?.()
  await calls()
  assert.deepEqual([served(), length()], ['0a 2c', 0])
})

test('the queue has one limit for all workers', async (t) => {
  const { ask, end, served, refused, length, control, clock } = pool(t, { members: 3, queueLimit: 4 })
  const leave = ['0a', '1b', '2c', '0d', '1e', '2f', '0g'].map((name) => {
    clock.pass(5)
    return ask(name)
  })
  assert.deepEqual([served(), length()], ['0a', 4])
  assert.deepEqual(refused, ['2f LEASTWISE_QUEUE_FULL', '0g LEASTWISE_QUEUE_FULL'])
  assert.deepEqual(control.view().queue, { length: 4, limit: 4 })
  leave[2]?.()
  ask('0h')
  ask('0i')
  assert.deepEqual([length(), refused.slice(2)], [4, ['0i LEASTWISE_QUEUE_FULL']])
  end('0a')
  await calls()
  assert.deepEqual([served(), length()], ['0a 1b', 3])
})

test('with a full queue a new request is refused rather than let past those that wait', async (t) => {
  const { ask, end, served, refused, clock } = pool(t, { queueLimit: 1 })
  ask('0a')
  ask('1b')
  clock.pass(10)
  end('0a')
  ask('0c')
  assert.deepEqual([served(), refused], ['0a', ['0c LEASTWISE_QUEUE_FULL']])
  await calls()
  assert.equal(served(), '0a 1b')
})

test('requests that wait in a worker that ends leave the queue, and its slots are used', async (t) => {
  const { ask, end, served, length, workers } = pool(t, { members: 3, count: 2 })
  ask('0a')
  ask('1b')
  for (const name of ['0c', '1d', '2e', '2f']) ask(name)
  assert.equal(length(), 4)
  workers[0]?.close()
  await calls()
  assert.deepEqual([served(), length()], ['0a 1b 1d', 2])
  end('1b')
  await calls()
  assert.deepEqual([served(), length()], ['0a 1b 1d 2e', 1])
})

test('every worker is served where a limit is raised or a backend is added', async (t) => {
  const { ask, served, control, settled, length, clock } = pool(t)
  for (const name of ['0a', '1b', '0c', '1d']) {
    clock.pass(5)
    ask(name)
  }
  control.registry.update('b0', { maxConnections: 2 })
  await settled()
  await calls()
  assert.deepEqual([served(), length()], ['0a 1b', 2])
  control.registry.add({ url: 'http://c:1', maxConnections: 2 })
  await settled()
  await calls()
  assert.deepEqual([served(), length()], ['0a 1b 0c 1d', 0])
})

test('a request whose time is up is refused in its worker, and counts no more', async (t) => {
  const { ask, refused, length, clock } = pool(t, { queueTimeout: 1000 })
  ask('0a')
  ask('1b')
  clock.pass(500)
  ask('0c')
  clock.pass(500)
  await calls()
  assert.deepEqual([refused, length()], [['1b LEASTWISE_QUEUE_TIMEOUT'], 1])
})
