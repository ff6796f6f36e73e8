import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Balancer } from '../../../../src/balancer/balancer.js'
import type { Lease } from '../../../../src/balancer/leases/lease.js'
import { sharedPool } from '../../../support/pool-members.js'
import { until } from '../../../support/until.js'

/** Opens a tunnel through a worker, as a WebSocket does. */
function open(member: Balancer): Lease {
  let opened: Lease | undefined
  member.lease({
    upgrade: true,
    onLease(lease) {
      lease.answered(member.clock.now())
      lease.switched()
      opened = lease
    },
    onReject: assert.ifError,
  })
  return opened as Lease
}

function fourWorkers(t: TestContext) {
  const backends = ['a', 'b'].map((id) => ({ url: `http://${id}:1`, id }))
  const pool = sharedPool(t, { members: 4, backends, slowStart: 0 })
  const { registry } = pool.control
  const counts = () => registry.list().map(({ counter: { inFlight, tunnels } }) => [inFlight, tunnels])
  /** How many tunnels the pool has on each backend. */
  const live = () => {
    for (const [inFlight, tunnels] of counts()) assert.equal(inFlight, tunnels)
    return counts().map(([inFlight]) => inFlight)
  }
  return { ...pool, registry, live }
}

test('two backends with four live WebSockets over four workers, a third backend joins: the next two go to it', async (t) => {
  const { control, members, registry, settled, live } = fourWorkers(t)
  const first = members.map(open)
  assert.deepEqual(live(), [2, 2], 'each worker has one of them, and knows of all')
  registry.add({ url: 'http://c:1', id: 'c' })
  await settled()
  const next = [members[0], members[3]].map((member) => open(member as Balancer))
  assert.deepEqual(
    next.map(({ backend }) => backend.id),
    ['c', 'c'],
  )

  // Whatever changes of the backends or the policy, no count is lost.
  const changes = [
    () => registry.update('a', { weight: 7 }),
    () => registry.update('a', { weight: 1 }),
    () => {
      control.policy = 'round-robin'
    },
    () => {
      control.policy = 'least-connections'
    },
    () => registry.drain('b'),
    () => registry.activate('b'),
  ]
  for (const change of changes) {
    change()
    await settled()
    assert.deepEqual(live(), [2, 2, 2])
  }
  for (const lease of [...first, ...next]) lease.release('ok')
  assert.deepEqual(live(), [0, 0, 0])
})

test('a worker joins or leaves, and no count is lost', async (t) => {
  const { control, members, workers, join, settled, live } = fourWorkers(t)
  const first = members.map(open)
  const lost = first[3] as Lease
  const [worker] = workers.slice(3)
  assert.ok(worker)
  // What a worker had is taken off when its thread has ended.
  worker.close()
  const left = control.registry.list().map(({ id }) => (id === lost.backend.id ? 1 : 2))
  assert.deepEqual(live(), left)

  const joined = join()
  await settled()
  assert.equal(joined.worker.number, worker.number)
  const seen = joined.member.registry.list().map(({ inFlight }) => inFlight)
  assert.deepEqual(seen, left, 'it begins with the counts of all')
  assert.equal(open(joined.member).backend.id, lost.backend.id)
  assert.deepEqual(live(), [2, 2])
})

test('a backend that is drained while a tunnel lives comes back with its count', async (t) => {
  const { members, registry, settled, live } = fourWorkers(t)
  const leases = members.map(open)
  registry.drain('a')
  await settled()
  // One of its tunnels ends meanwhile, in whichever worker.
  const ended = leases.findLast(({ backend }) => backend.id === 'a') as Lease
  ended.release('ok')
  assert.equal(open(members[1] as Balancer).backend.id, 'b')
  registry.activate('a')
  await settled()
  assert.deepEqual(live(), [1, 3])
  const next = [members[2], members[0]].map((member) => open(member as Balancer).backend.id)
  assert.deepEqual(next, ['a', 'a'])
  await until(live, ([a]) => a === 3)
})
