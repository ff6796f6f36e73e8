import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Balancer } from '../../../../src/balancer/balancer.js'
import type { PoolWorkers } from '../../../../src/balancer/threads/pool-workers.js'
import { BLOCK_ROWS } from '../../../../src/balancer/threads/row-blocks.js'
import { type PoolTable, ROW_COUNT } from '../../../../src/balancer/threads/table.js'
import { SharedCounters } from '../../../../src/telemetry/metrics/shared-counters.js'
import { sharedPool } from '../../../support/pool-members.js'
import { until } from '../../../support/until.js'

test('backends come and go for ever: a row is free once its backend was removed, or was refused', async (t) => {
  const control = new Balancer({ workers: 1, slowStart: 0 })
  t.after(() => control.close())
  const { registry } = control
  for (let i = 0; i < ROW_COUNT + 10; i++) {
    registry.remove(registry.add({ url: `http://a:${1 + i}` }).id)
    assert.throws(() => registry.add({ url: 'http://a', maxConnections: -1 }), /maxConnections/)
    if (i % 100 === 0) await setImmediate()
  }
  assert.equal(registry.size, 0)
})

test('a configuration that is refused takes no rows', (t) => {
  const control = new Balancer({ workers: 1, backends: ['http://a'] })
  t.after(() => control.close())
  const backends = Array.from({ length: BLOCK_ROWS }, (_, i) => `http://b:${1 + i}`)
  for (let i = 0; i < 10; i++) {
    const taken = [...backends, { url: 'http://a', id: 'b-1' }]
    assert.throws(() => control.configure({ backends: taken }), /"b-1" is registered/)
  }
  assert.ok((control.table?.blocks.rows ?? 0) <= 3 * BLOCK_ROWS)
})

test('a row is given to another backend only once every worker knows that the first one was removed', async (t) => {
  const pool = sharedPool(t, { members: 1 })
  await pool.settled()
  const { registry } = pool.control
  const rows = new Set<number>()
  for (let i = 1; i < ROW_COUNT; i++) {
    const backend = registry.add({ url: `http://a:${i}` })
    rows.add(backend.row)
    registry.remove(backend.id, { force: true })
  }
  assert.equal(rows.size, ROW_COUNT - 1, 'each has a row of its own')
  assert.throws(() => registry.add({ url: 'http://b' }), /at most/)
  await pool.settled()
  assert.ok(rows.has(registry.add({ url: 'http://b' }).row))
})

test('who waits for the workers to know of a change does not wait any more once the pool is closed', async (t) => {
  const pool = sharedPool(t, { members: 1 })
  await pool.settled()
  const { workers, registry } = pool.control
  registry.add({ url: 'http://a' })
  let isSettled = false
  ;(workers as PoolWorkers).settled().then(() => {
    isSettled = true
  })
  pool.control.close()
  await until(() => isSettled, Boolean)
})

test('a worker that leaves while it has a request on a removed backend keeps its place, and no count is below 0', async (t) => {
  const pool = sharedPool(t, { members: 1, backends: ['http://a'] })
  await pool.settled()
  const [member] = pool.members as [Balancer]
  const [worker] = pool.workers
  const { registry } = pool.control
  const [backend] = registry.list()
  const lease = member.acquire()
  registry.sync('config', [{ id: 'other', url: 'http://a' }])
  await pool.settled()
  member.close()
  await until(() => worker?.takesPart === false, Boolean)
  assert.equal(backend?.inFlight, 1)
  lease.release('ok')
  assert.equal(backend?.inFlight, 0)
})

test('what a backend says of TLS is one object in a worker as long as it is the same', async (t) => {
  const pool = sharedPool(t, { members: 1, backends: [] })
  await pool.settled()
  const { registry } = pool.control
  const { id } = registry.add({ url: 'https://a', servername: 'a.example' })
  await pool.settled()
  const [member] = pool.members as [Balancer]
  const { tls } = member.registry.get(id)
  registry.update(id, { weight: 2 })
  await pool.settled()
  assert.equal(member.registry.get(id).weight, 2)
  // TLS sessions are kept as long as this object is the same.
  assert.equal(member.registry.get(id).tls, tls)
  registry.update(id, { servername: 'b.example' })
  await pool.settled()
  assert.deepEqual(member.registry.get(id).tls, { servername: 'b.example' })
})

test('memory grows with the backends, in the worker as well, and a row that is free is used before it grows', async (t) => {
  const pool = sharedPool(t, { members: 2, backends: ['http://a'], slowStart: 0 })
  await pool.settled()
  const { registry, table } = pool.control
  assert.equal(table?.blocks.rows, BLOCK_ROWS)
  const ids = Array.from({ length: 3 * BLOCK_ROWS }, (_, i) => registry.add({ url: `http://b:${1 + i}` }).id)
  await pool.settled()
  assert.equal(table?.blocks.rows, 4 * BLOCK_ROWS)
  const [gone, two] = pool.members as [Balancer, Balancer]
  gone.close()
  await until(() => pool.workers[0]?.takesPart === false, Boolean)
  const { member: late } = pool.join()
  await pool.settled()
  const last = ids.at(-1) as string
  const only = (member: Balancer) =>
    member.acquire(new Set(member.registry.list().filter(({ id }) => id !== last)))
  const leases = [two, late, two].map(only)
  for (const { registry: own } of [two, late, pool.control]) assert.equal(own.get(last).inFlight, 3)
  leases[0]?.answered(5)
  for (const lease of leases) lease.release('failed')
  for (const { registry: own } of [two, late, pool.control]) {
    const backend = own.get(last)
    assert.deepEqual([backend.leases.failed, backend.healthMemory.streak], [3, 3])
    assert.ok(backend.share() < 0.1)
    assert.equal(backend.latency.summary().p50, 5)
  }
  for (let i = 0; i < 300; i++) {
    registry.remove(registry.add({ url: `http://c:${1 + i}` }).id)
    await pool.settled()
  }
  assert.ok(table.blocks.rows <= 5 * BLOCK_ROWS, `${table.blocks.rows}`)
})

test('a pool with few backends takes less than a megabyte, however many workers it may have', (t) => {
  for (const workers of [1, 4, 8]) {
    const control = new Balancer({ workers, backends: ['http://a', 'http://b'] })
    t.after(() => control.close())
    SharedCounters.allocate(control.table as PoolTable)
    const sizeOf = (of: object): number =>
      Object.values(of).reduce<number>((sum, part) => {
        if (part instanceof SharedArrayBuffer) return sum + part.byteLength
        return typeof part === 'object' ? sum + sizeOf(part) : sum
      }, 0)
    const size = sizeOf(control.table?.buffers ?? {})
    assert.ok(size > 300_000 && size < 1_000_000, `${workers} workers: ${size}`)
  }
})

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

/** A pool with two members that has served a request each, and retired. */
async function retired(): Promise<WeakRef<object>[]> {
  const control = new Balancer({ workers: 2, backends: ['http://a'], maxConnections: 1 })
  const { workers } = control
  const members = [0, 1].map(() => new Balancer({ shared: workers?.connect().handle }))
  while (!workers?.list.every(({ takesPart }) => takesPart)) await setImmediate()
  for (const member of members) member.acquire().release('ok')
  const all = [control, ...members]
  await Promise.all(all.map((part) => part.retire()))
  return all.flatMap((part) => [new WeakRef(part), new WeakRef(part.table?.buffers.words as object)])
}

test('a pool that closed leaves nothing behind in threads that go on, its memory least of all', async () => {
  const left = (await Promise.all(Array.from({ length: 5 }, retired))).flat()
  const present = () => left.filter((ref) => ref.deref() !== undefined).length
  for (let i = 0; i < 100 && present() > 0; i++) {
    await setImmediate()
    collect()
  }
  assert.equal(present(), 0)
})
