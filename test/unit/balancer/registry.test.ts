import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Backend } from '../../../src/balancer/backends/backend.js'
import type { RegistryEvents } from '../../../src/balancer/backends/registry-options.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import {
  BackendExistsError,
  BackendNotFoundError,
  InvalidBackendError,
} from '../../../src/balancer/errors.js'
import { LeastConnections } from '../../../src/balancer/selection/policies/least-connections.js'
import { openBalancer } from '../../../src/balancer/state/open-balancer.js'
import type { PoolState } from '../../../src/balancer/state/store.js'
import { TestClock } from '../../support/clock.js'
import { root, start } from '../../support/process.js'

function pool(...backends: string[]) {
  const clock = new TestClock()
  const balancer = new Balancer({ backends, clock, drainTimeout: 1000 })
  const { registry } = balancer
  const events: string[] = []
  const names: Exclude<keyof RegistryEvents, 'panic'>[] = [
    'added',
    'updated',
    'draining',
    'cut',
    'drained',
    'activated',
    'health',
    'removed',
  ]
  for (const name of names) registry.on(name, ({ id }: Backend) => events.push(`${name} ${id}`))
  return { clock, balancer, registry, events }
}

test('ids are made from addresses and stay unique', () => {
  const { registry } = pool()
  const ids = [
    registry.add({ url: 'http://10.0.0.1:8080' }).id,
    registry.add({ url: 'https://10.0.0.1:8080' }).id,
    registry.add({ url: 'http://[::1]:9000/' }).id,
    registry.add({ url: 'https://api.example' }).id,
  ]
  assert.deepEqual(ids, ['10.0.0.1-8080', '10.0.0.1-8080-2', '1-9000', 'api.example-443'])
})

test('a backend shows every field of the contract', () => {
  const { registry } = pool()
  registry.add({ url: 'http://10.0.0.1:8080', id: 'a', weight: 2, maxConnections: 5 })
  assert.deepEqual(registry.get('a').view(), {
    id: 'a',
    url: 'http://10.0.0.1:8080',
    weight: 2,
    maxConnections: 5,
    state: 'active',
    health: 'unknown',
    inFlight: 0,
    inFlightElsewhere: 0,
    tunnels: 0,
    total: 0,
    failed: 0,
    latency: { ewma: 0, p50: 0, p99: 0 },
    addedAt: '2023-11-14T22:13:20.000Z',
    share: 0,
    ejectedUntil: null,
    lastCheck: null,
    backup: false,
    healthPort: null,
    healthHost: null,
    ca: null,
    cert: null,
    key: null,
    servername: null,
    rejectUnauthorized: null,
    unresolved: null,
  })
})

test('an id or a URL that is there is refused, also in another spelling', () => {
  const { registry } = pool()
  registry.add({ url: 'http://a.example:80', id: 'a' })
  assert.throws(() => registry.add({ url: 'HTTP://A.example/' }), BackendExistsError)
  assert.throws(() => registry.add({ url: 'http://b.example', id: 'a' }), BackendExistsError)
  assert.equal(registry.size, 1)
})

test('bad descriptions are refused by field, and nothing is changed', () => {
  const { registry } = pool('http://a:1')
  const bad: [object, string][] = [
    [{ url: 'b:1' }, 'url'],
    [{ url: 'http://b:1', weight: 0 }, 'weight'],
    [{ url: 'http://b:1', weight: 1.5 }, 'weight'],
    [{ url: 'http://b:1', weight: 1001 }, 'weight'],
    [{ url: 'http://b:1', maxConnections: -1 }, 'maxConnections'],
    [{ url: 'http://b:1', id: '' }, 'id'],
    [{ url: 'http://b:1', id: '..' }, 'id'],
    [{ url: 'http://b:1', id: 'a/b' }, 'id'],
    [{ url: 'unix:b.sock' }, 'url'],
    [{ url: 'unix:/b.sock', healthPort: 1 }, 'healthPort'],
    [{ url: 'unix:/b.sock', ca: '/ca.pem' }, 'ca'],
  ]
  for (const [spec, field] of bad) {
    assert.throws(
      () => registry.add(spec as { url: string }),
      (error) => error instanceof InvalidBackendError && error.field === field,
      JSON.stringify(spec),
    )
  }
  assert.throws(() => registry.update('a-1', { weight: 5, maxConnections: -1 }), InvalidBackendError)
  assert.equal(registry.get('a-1').weight, 1)
  assert.throws(() => registry.get('b'), BackendNotFoundError)
  assert.equal(registry.size, 1)
})

test('a patch keeps counts, and what it does not name', () => {
  const { balancer, registry } = pool('http://a:1')
  balancer.acquire()
  registry.update('a-1', { maxConnections: 7 })
  registry.update('a-1', { weight: 3 })
  const { weight, maxConnections, inFlight, total } = registry.get('a-1').view()
  assert.deepEqual([weight, maxConnections, inFlight, total], [3, 7, 1, 1])
  registry.update('a-1', { maxConnections: null })
  assert.equal(registry.get('a-1').view().maxConnections, null)
})

test('a draining backend gets nothing new and is drained when its last request is done', () => {
  const { clock, balancer, registry, events } = pool('http://a:1')
  const [first, second] = [balancer.acquire(), balancer.acquire()]
  registry.drain('a-1')
  assert.equal(balancer.selector.pick(), undefined)
  first.release('ok')
  assert.deepEqual(events, ['draining a-1'])
  second.release('ok')
  assert.deepEqual(events, ['draining a-1', 'drained a-1'])
  assert.equal(registry.get('a-1').state, 'draining')
  assert.equal(clock.pending, 0, 'no deadline is left')
})

test('what a drain did not finish in time is cut; asked again, the time counts anew', () => {
  const { clock, balancer, registry, events } = pool('http://a:1')
  balancer.acquire()
  registry.drain('a-1')
  clock.pass(900)
  registry.drain('a-1', 500)
  clock.pass(499)
  assert.equal(registry.get('a-1').inFlight, 1)
  clock.pass(1)
  assert.equal(registry.get('a-1').inFlight, 0)
  assert.deepEqual(events, ['draining a-1', 'cut a-1', 'drained a-1'])
})

test('activate takes a drain back, with counts and without a deadline', () => {
  const { clock, balancer, registry, events } = pool('http://a:1')
  balancer.acquire()
  registry.drain('a-1')
  registry.activate('a-1')
  clock.pass(5000)
  assert.equal(registry.get('a-1').inFlight, 1)
  assert.equal(balancer.selector.pick()?.id, 'a-1')
  registry.activate('a-1')
  assert.deepEqual(events, ['draining a-1', 'activated a-1'])
})

test('a removal waits for requests in flight, and activate takes it back', () => {
  const { balancer, registry, events } = pool('http://a:1', 'http://b:1')
  const leases = [balancer.acquire(), balancer.acquire()]
  registry.remove('a-1')
  registry.remove('b-1')
  registry.activate('b-1')
  assert.equal(registry.size, 2)
  for (const lease of leases) lease.release('ok')
  assert.deepEqual(
    registry.list().map(({ id }) => id),
    ['b-1'],
  )
  assert.deepEqual(events, ['draining a-1', 'draining b-1', 'activated b-1', 'drained a-1', 'removed a-1'])
})

test('a drain that is asked for while a removal waits does not take the removal back', () => {
  const { balancer, registry } = pool('http://a:1')
  const lease = balancer.acquire()
  registry.remove('a-1')
  registry.drain('a-1')
  lease.release('ok')
  assert.equal(registry.size, 0)
})

test('an idle backend is removed at once', () => {
  const { clock, registry } = pool('http://a:1')
  registry.remove('a-1')
  assert.deepEqual([registry.size, clock.pending], [0, 0])
})

test('a forced removal cuts and forgets; a late release harms nobody', () => {
  const { balancer, registry, events } = pool('http://a:1')
  const lease = balancer.acquire()
  lease.onCut = () => {}
  registry.drain('a-1')
  registry.remove('a-1', { force: true })
  assert.equal(registry.size, 0)
  const again = registry.add({ url: 'http://a:1' })
  lease.release('cancelled')
  assert.equal(again.inFlight, 0)
  assert.deepEqual(events, ['draining a-1', 'cut a-1', 'removed a-1', 'added a-1'])
})

test('unhealthy and ejected backends are not chosen, unknown ones are', () => {
  const { balancer, registry, events } = pool('http://a:1', 'http://b:1')
  registry.setHealth('a-1', 'unhealthy')
  registry.setHealth('a-1', 'unhealthy')
  for (let i = 0; i < 10; i++) assert.equal(balancer.acquire().backend.id, 'b-1')
  registry.setHealth('b-1', 'unhealthy')
  assert.equal(balancer.selector.pick(), undefined)
  registry.eject(registry.get('a-1'), 1000)
  registry.setHealth('b-1', 'unknown')
  for (let i = 0; i < 10; i++) assert.equal(balancer.acquire().backend.id, 'b-1')
  registry.setHealth('b-1', 'unhealthy')
  registry.reinstate(registry.get('a-1'))
  registry.setHealth('a-1', 'healthy')
  assert.equal(balancer.selector.pick()?.id, 'a-1')
  assert.equal(events.join(), 'health a-1,health b-1,health a-1,health b-1,health b-1,health a-1')
})

test('a listener may do with a backend what it likes', () => {
  const { clock, balancer, registry, events } = pool('http://a:1', 'http://b:1', 'http://c:1')
  registry.on('drained', ({ id }) => registry.remove(id, { force: id === 'b-1' }))
  registry.drain('a-1')
  registry.remove('b-1')
  assert.deepEqual(events, [
    'draining a-1',
    'drained a-1',
    'removed a-1',
    'draining b-1',
    'drained b-1',
    'removed b-1',
  ])
  const lease = balancer.acquire()
  registry.on('cut', ({ id }) => registry.activate(id))
  registry.drain('c-1', 0)
  clock.pass(1)
  assert.deepEqual([lease.held, registry.get('c-1').state], [true, 'active'])
})

test('close drops the deadlines', () => {
  const { clock, balancer, registry } = pool('http://a:1')
  balancer.acquire()
  registry.drain('a-1')
  balancer.close()
  assert.equal(clock.pending, 0)
})

test('a listener that throws leaves no change half made, ends nothing, and is a warning', async () => {
  const { code, stdout, stderr } = await start([
    '--input-type=module',
    '--eval',
    `import { Balancer } from ${JSON.stringify(join(root, 'dist/src/balancer/index.js'))}
     const { registry } = new Balancer({ backends: [{ url: 'http://a:1', id: 'a' }] })
     registry.on('draining', () => { throw new Error('mine') })
     registry.remove('a')
     console.log(registry.size)`,
  ]).ended
  assert.deepEqual([code, stdout], [0, '0\n'])
  assert.match(stderr, /Error: mine/)
})

/** How often who may be chosen is found out anew while something is done. */
async function updatesIn(act: () => unknown): Promise<number> {
  const { update } = LeastConnections.prototype
  let updates = 0
  LeastConnections.prototype.update = function (eligible) {
    updates++
    update.call(this, eligible)
  }
  try {
    await act()
  } finally {
    LeastConnections.prototype.update = update
  }
  return updates
}

test('many backends are registered at once: at the start, after a restart, and in a batch', async () => {
  const backends = Array.from({ length: 500 }, (_, i) => ({ url: `http://b${i}:1` }))
  let balancer: Balancer | undefined
  assert.equal(
    await updatesIn(() => {
      balancer = new Balancer({ backends })
    }),
    1,
  )
  assert.equal(balancer?.registry.eligible.length, 500)
  let state: PoolState | undefined
  const store = {
    name: 'memory',
    load: async () => state,
    async save(saved: PoolState) {
      state = saved
    },
  }
  const open = async () => {
    const opened = await openBalancer({ backends: backends.slice(0, 3) }, store)
    assert.equal(opened.registry.eligible.length, state?.backends.length)
    return opened
  }
  const { registry, keeper } = await open()
  const grown = await updatesIn(() => {
    registry.batch(() => {
      for (const backend of backends.slice(3)) registry.add(backend)
      registry.drain('b0-1')
    })
  })
  assert.equal(grown, 1)
  assert.equal(registry.eligible.length, 499)
  registry.activate('b0-1')
  await keeper?.close()
  assert.equal(await updatesIn(open), 1)
})

test('a batch that fails in the middle leaves what was done before, and nobody out', () => {
  const { registry } = pool('http://a:1')
  assert.throws(
    () =>
      registry.batch(() => {
        registry.add({ url: 'http://b:1' })
        registry.batch(() => registry.drain('a-1'))
        registry.add({ url: 'http://b:1' })
      }),
    BackendExistsError,
  )
  assert.deepEqual(
    registry.eligible.map(({ id }) => id),
    ['b-1'],
  )
})
