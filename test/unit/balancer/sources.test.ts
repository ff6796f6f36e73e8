import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSame } from '../../../src/balancer/backends/sources.js'
import { backendFields, type ConfiguredBackend } from '../../../src/balancer/backends/spec.js'
import { Balancer } from '../../../src/balancer/index.js'

/** A pool, what was told of its backends, and how it stands: `id weight state source` of each. */
function pool(backends: string[] = []) {
  const balancer = new Balancer({ backends, slowStart: 0 })
  const { registry } = balancer
  const told: string[] = []
  for (const event of ['added', 'updated', 'draining', 'activated', 'removed'] as const) {
    registry.on(event, ({ id }) => told.push(`${event} ${id}`))
  }
  const stand = () =>
    registry.list().map(({ id, weight, state, source }) => `${id} ${weight} ${state} ${source}`)
  return { balancer, registry, told, stand }
}

const [a, b, c] = [
  { url: 'http://a:1', id: 'a' },
  { url: 'http://b:1', id: 'b' },
  { url: 'http://c:1', id: 'c' },
]

test('what a source newly names is added, what it says anew is changed, and what it drops is removed', () => {
  const { registry, told, stand } = pool()
  registry.add(c)
  registry.sync('config', [a, b])
  assert.deepEqual(stand(), ['c 1 active api', 'a 1 active config', 'b 1 active config'])
  told.length = 0
  registry.sync('config', [a, { ...b, weight: 3 }])
  assert.deepEqual(told, ['updated b'])
  registry.sync('config', [{ ...b, weight: 3 }])
  assert.deepEqual(stand(), ['c 1 active api', 'b 3 active config'])
  assert.deepEqual(told, ['updated b', 'draining a', 'removed a'])
})

test('one refresh for all that a source says', () => {
  const { balancer, registry } = pool()
  const seen = new Set<unknown>()
  const { observer } = registry
  assert.ok(observer)
  const { eligibleChanged } = observer
  observer.eligibleChanged = (eligible) => {
    seen.add(eligible)
    eligibleChanged.call(observer, eligible)
  }
  registry.sync('config', [a, b])
  registry.sync('config', [{ ...b, weight: 2 }, c])
  assert.equal(seen.size, 2)
  assert.deepEqual(
    registry.eligible.map(({ id }) => id),
    ['b', 'c'],
  )
  balancer.close()
})

test('a change that others made stays until the source says something else', () => {
  const { registry, stand } = pool()
  registry.sync('config', [a, b])
  registry.update('a', { weight: 5 })
  registry.drain('a')
  registry.remove('b')
  registry.sync('config', [{ ...a, url: 'HTTP://A:1/' }, b])
  assert.deepEqual(stand(), ['a 5 draining config'])
  registry.sync('config', [
    { ...a, weight: 2 },
    { ...b, weight: 2 },
  ])
  assert.deepEqual(stand(), ['a 2 active config', 'b 2 active config'])
})

test('what a source drops finishes its requests first, and stays where it is named again meanwhile', () => {
  const { balancer, registry, stand } = pool()
  registry.sync('config', [a, b])
  const lease = balancer.acquire(new Set([registry.get('b')]))
  registry.sync('config', [b])
  assert.deepEqual(stand(), ['a 1 draining config', 'b 1 active config'])
  registry.sync('config', [a, b])
  lease.release('ok')
  assert.deepEqual(stand(), ['a 1 active config', 'b 1 active config'])
  registry.sync('config', [b])
  assert.deepEqual(stand(), ['b 1 active config'])
})

test('a source takes over what another one brought, but the store only remembers', () => {
  const { registry, stand } = pool()
  registry.add({ ...a, weight: 5 })
  registry.sync('store', [{ ...a, weight: 4 }])
  assert.deepEqual(stand(), ['a 4 active api'])
  registry.sync('config', [a])
  assert.deepEqual(stand(), ['a 1 active config'])
})

test('by another id it is another backend, and what the old one has in flight is not lost', () => {
  const { balancer, registry, stand, told } = pool()
  registry.sync('config', [a])
  const lease = balancer.acquire()
  registry.sync('config', [{ ...a, id: 'x' }])
  assert.deepEqual(stand(), ['x 1 active config'])
  assert.deepEqual(told.slice(-2), ['removed a', 'added x'])
  assert.deepEqual([lease.held, registry.inFlight], [true, 0])
  lease.release('ok')
  assert.equal(registry.inFlight, 0)
})

test('what is wrong, or said twice, changes nothing', () => {
  const { registry, stand } = pool()
  registry.sync('config', [a])
  assert.throws(() => registry.sync('config', [b, { ...c, weight: 0 }]), {
    code: 'LEASTWISE_INVALID_BACKEND',
  })
  assert.throws(() => registry.sync('config', [b, { url: 'http://B:1' }]), {
    code: 'LEASTWISE_BACKEND_EXISTS',
  })
  assert.deepEqual(stand(), ['a 1 active config'])
  registry.sync('config', [])
  assert.deepEqual(stand(), [])
})

test('two descriptions differ by each field that a backend has', () => {
  const one: ConfiguredBackend = { url: 'http://a:1', weight: 1 }
  assert.ok(isSame(one, { ...one, state: 'active', addedAt: '2026-11-29T00:00:00.000Z' }))
  for (const field of [...backendFields, 'state'])
    assert.ok(!isSame(one, { ...one, [field]: 'other' } as ConfiguredBackend), field)
})
