import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backend } from '../../../src/balancer/backends/backend.js'
import { Lease } from '../../../src/balancer/leases/lease.js'
import { type LoadCounter, LocalLoadCounter } from '../../../src/balancer/leases/load-counter.js'
import { policies } from '../../../src/balancer/selection/policies/index.js'
import { tiers } from '../../../src/balancer/selection/tier.js'

/** A row of numbers that threads share. Nothing else has to change where one counts so. */
class SharedLoadCounter implements LoadCounter {
  readonly #row: Int32Array

  constructor(row: Int32Array) {
    this.#row = row
  }

  get inFlight(): number {
    return Atomics.load(this.#row, 0)
  }

  get tunnels(): number {
    return Atomics.load(this.#row, 1)
  }

  get load(): number {
    return this.inFlight - Atomics.load(this.#row, 2)
  }

  increment(): void {
    Atomics.add(this.#row, 0, 1)
  }

  decrement(): void {
    Atomics.sub(this.#row, 0, 1)
  }

  addTunnels(tunnels: number, quiet: number): void {
    Atomics.add(this.#row, 1, tunnels)
    Atomics.add(this.#row, 2, quiet)
  }
}

const kinds: [string, () => LoadCounter][] = [
  ['of one thread', () => new LocalLoadCounter(0)],
  ['that threads share', () => new SharedLoadCounter(new Int32Array(new SharedArrayBuffer(12)))],
]

for (const [kind, counter] of kinds) {
  test(`a counter ${kind}: leases write it, and backends and policies read it`, () => {
    const counters = [counter(), counter()]
    const [a, b] = counters.map(
      (own, i) => new Backend(`${i}`, new URL(`http://b${i}`), undefined, new Date(0), own),
    ) as [Backend, Backend]
    const lease = Lease.open(a, 0)
    Lease.open(a, 0).release('ok')
    assert.deepEqual([a.inFlight, a.load, counters[0]?.inFlight, b.inFlight], [1, 1, 1, 0])
    a.maxConnections = 1
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
  for (let i = 0; i < 5; i++) counter.increment()
  const loads = Array.from({ length: 5 }, () => {
    counter.addTunnels(1, 1)
    return counter.load
  })
  assert.deepEqual(loads, [4, 3, 2, 2, 1])
})
