import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backend } from '../../../src/balancer/backends/backend.js'
import { Lease } from '../../../src/balancer/leases/lease.js'
import { LocalLoadCounter } from '../../../src/balancer/leases/load-counter.js'
import { type BackendMemory, LocalMemory } from '../../../src/balancer/memory.js'
import { policies } from '../../../src/balancer/selection/policies/index.js'
import { tiers } from '../../../src/balancer/selection/tier.js'
import { SharedMemory } from '../../../src/balancer/threads/shared-memory.js'
import { PoolTable } from '../../../src/balancer/threads/table.js'

/** Makes the memory of a backend, and that by which its slots are set. */
const kinds: [string, () => { own: BackendMemory; control: BackendMemory }][] = [
  [
    'of one thread',
    () => {
      const own = new LocalMemory().backend(0)
      return { own, control: own }
    },
  ],
  [
    'that threads share',
    () => {
      const table = PoolTable.create(1)
      const control = new SharedMemory(table).backend(0)
      control.counter.slots = Number.POSITIVE_INFINITY
      return { own: new SharedMemory(table, 0).backend(0, control.row), control }
    },
  ],
]

for (const [kind, memory] of kinds) {
  test(`a counter ${kind}: leases write it, and backends and policies read it`, () => {
    const memories = [memory(), memory()]
    const [a, b] = memories.map(
      ({ own }, i) => new Backend(`${i}`, new URL(`http://b${i}`), undefined, new Date(0), own),
    ) as [Backend, Backend]
    const lease = Lease.open(a, 0, a.counter.claim(Number.POSITIVE_INFINITY, undefined))
    Lease.open(a, 0, a.counter.claim(Number.POSITIVE_INFINITY, undefined)).release('ok')
    assert.deepEqual([a.inFlight, a.load, memories[0]?.own.counter.inFlight, b.inFlight], [1, 1, 1, 0])
    const control = memories[0]?.control as BackendMemory
    control.counter.slots = 1
    assert.deepEqual([a.slots, b.slots], [1, Number.POSITIVE_INFINITY])
    assert.deepEqual([a.isFull, b.isFull], [true, false])
    const policy = new policies['least-connections'].policy(() => 0)
    policy.update([a, b])
    for (let i = 0; i < 3; i++) assert.equal(policy.pick({ now: 0, reach: tiers.withinShare }), b)
    lease.switched()
    assert.deepEqual([a.inFlight, a.leases.tunnels, a.load], [1, 1, 0], 'a tunnel without traffic')
    lease.release('ok')
    assert.deepEqual([a.inFlight, a.leases.tunnels, a.load], [0, 0, 0])
  })
}

test('what tunnels without traffic weigh is rounded down to whole requests', () => {
  const counter = new LocalLoadCounter(30)
  for (let i = 0; i < 5; i++) counter.claim()
  const loads = Array.from({ length: 5 }, () => {
    counter.addTunnels(1, 1)
    return counter.load
  })
  assert.deepEqual(loads, [4, 3, 2, 2, 1])
})
