import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Backend } from '../../../src/balancer/backends/backend.js'
import { AvailableBackends } from '../../../src/balancer/selection/candidates/available-backends.js'
import type { Tier } from '../../../src/balancer/selection/tier.js'

const change = fc.record({
  which: fc.nat(40),
  tier: fc.nat(3),
  full: fc.boolean(),
  excluded: fc.boolean(),
})

test('draws and searches find what a scan of all backends would find', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 37 }), fc.array(change, { maxLength: 60 }), (size, changes) => {
      const backends = Array.from({ length: size }, (_, i) => {
        const backend = new Backend(`${i}`, new URL(`http://b${i}`), undefined, new Date(0))
        backend.weight = 1 + (i % 3)
        return backend
      })
      const available = new AvailableBackends(backends, ({ weight }) => weight)
      const excluded = new Set<Backend>()
      for (const { which, tier, full, excluded: isExcluded } of changes) {
        const backend = backends[which % size] as Backend
        backend.tier = tier as Tier
        backend.maxConnections = full ? 0 : Number.POSITIVE_INFINITY
        available.refresh(backend)
        excluded.delete(backend)
        if (!isExcluded) continue
        available.exclude(backend)
        excluded.add(backend)
      }
      for (const reach of [0, 1, 2, 3] as const) {
        const places = backends.flatMap((backend, i) =>
          backend.takes(reach) && !excluded.has(backend) ? new Array<number>(backend.weight).fill(i) : [],
        )
        assert.equal(available.totalWeight(reach), places.length)
        for (const [point, index] of places.entries()) {
          assert.equal(available.indexAt(point, reach), index)
          assert.equal(available.indexAt(point + 0.9, reach), index)
        }
        for (let i = 0; i <= size; i++)
          assert.equal(available.weightBefore(i, reach), places.filter((index) => index < i).length)
      }
    }),
  )
})
