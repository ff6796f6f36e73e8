import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DueHeap, type DueItem } from '../../../src/balancer/structures/due-heap.js'

test('whatever is added and taken out, the first one is the one that is due first', () => {
  const steps = fc.array(fc.record({ add: fc.boolean(), due: fc.nat(20), which: fc.nat(50) }), {
    maxLength: 200,
  })
  fc.assert(
    fc.property(steps, (taken) => {
      const heap = new DueHeap<DueItem>()
      const items: DueItem[] = []
      for (const { add, due, which } of taken) {
        if (add || items.length === 0) {
          const item = { due, place: -1 }
          items.push(item)
          heap.add(item)
        } else {
          const [item] = items.splice(which % items.length, 1) as [DueItem]
          heap.remove(item)
          assert.equal(item.place, -1)
        }
        assert.equal(
          heap.first?.due,
          items.length === 0 ? undefined : Math.min(...items.map((one) => one.due)),
        )
      }
    }),
  )
})
