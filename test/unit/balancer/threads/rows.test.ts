import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Balancer } from '../../../../src/balancer/balancer.js'
import type { PoolWorkers } from '../../../../src/balancer/threads/pool-workers.js'
import { ROW_COUNT } from '../../../../src/balancer/threads/table.js'
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
