import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Backend } from '../../../src/balancer/backends/backend.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import {
  NoBackendError,
  QueueFullError,
  QueueTimeoutError,
  StoppedError,
} from '../../../src/balancer/errors.js'
import type { Lease } from '../../../src/balancer/leases/lease.js'
import type { LeaseRequest } from '../../../src/balancer/leases/lease-request.js'
import type { BalancerOptions } from '../../../src/balancer/options.js'
import { TestClock } from '../../support/clock.js'

const turn = () => new Promise(setImmediate)

/** A pool of backends with one slot each, and what became of those who asked. */
function pool(count: number, options: BalancerOptions = {}) {
  const clock = new TestClock()
  const backends = Array.from({ length: count }, (_, i) => ({ url: `http://b${i}:1`, id: `b${i}` }))
  const balancer = new Balancer({
    clock,
    backends,
    maxConnections: 1,
    queueTimeout: 1000,
    slowStart: 0,
    ...options,
  })
  const granted: [name: string, lease: Lease][] = []
  const refused: [name: string, error: Error][] = []
  return {
    clock,
    balancer,
    registry: balancer.registry,
    granted,
    refused,
    names: () => granted.map(([name]) => name).join(' '),
    ask: (name: string, except?: Set<Backend>, repeatable?: boolean) =>
      balancer.lease({
        onLease: (lease) => granted.push([name, lease]),
        onReject: (error) => refused.push([name, error]),
        except,
        repeatable,
      }),
    length: () => balancer.view().queue.length,
  }
}

test('a request that has to wait is told since when', () => {
  const { balancer, clock } = pool(1)
  const [first, second] = [0, 0].map((): LeaseRequest => ({ onLease() {}, onReject() {} }))
  clock.pass(7)
  for (const request of [first, second]) balancer.lease(request as LeaseRequest)
  assert.deepEqual([first?.queuedAt, second?.queuedAt], [undefined, clock.now()])
  balancer.close()
})

test('first come, first served, and the limit holds', async () => {
  const { granted, names, ask, balancer, length } = pool(2)
  for (const name of 'abcdef') ask(name)
  assert.deepEqual([names(), length()], ['a b', 4])
  for (let i = 0; i < 6; i++) {
    const lease = granted[i]?.[1] as Lease
    assert.equal(lease.backend.inFlight, 1)
    lease.release('ok')
    assert.ok(balancer.registry.list().every(({ inFlight }) => inFlight <= 1))
    await turn()
  }
  assert.deepEqual([names(), length(), balancer.view().inFlight], ['a b c d e f', 0, 0])
})

test('a freed slot belongs to the first in line from that moment on', async () => {
  const { granted, refused, names, ask, balancer } = pool(1)
  ask('a')
  ask('b')
  granted[0]?.[1].release('ok')
  assert.equal(balancer.registry.inFlight, 1, 'it is taken')
  assert.equal(names(), 'a', 'although nobody knows yet')
  ask('c')
  assert.throws(() => balancer.acquire())
  await turn()
  assert.deepEqual([names(), refused], ['a b', []])
})

test('who leaves is passed over, and leaves no slot behind, not even one that was just given', async () => {
  const { granted, names, ask, balancer, length } = pool(1)
  ask('a')
  const [leaveB, leaveC] = [ask('b'), ask('c')]
  ask('d')
  leaveB?.()
  assert.equal(length(), 2)
  granted[0]?.[1].release('ok')
  assert.equal(balancer.registry.inFlight, 1)
  leaveC?.()
  await turn()
  assert.deepEqual([names(), length(), balancer.registry.inFlight], ['a d', 0, 1])
  leaveC?.()
  granted[1]?.[1].release('ok')
  assert.equal(balancer.registry.inFlight, 0)
})

test('more than the limit are refused, and none waits where there is no queue', () => {
  const { refused, ask, length } = pool(1, { queueLimit: 2 })
  for (const name of 'abcd') ask(name)
  assert.equal(length(), 2)
  assert.deepEqual(
    refused.map(([name, error]) => [name, error instanceof QueueFullError]),
    [['d', true]],
  )
  const without = pool(1, { queueLimit: 0 })
  without.ask('a')
  without.ask('b')
  assert.ok(without.refused[0]?.[1] instanceof QueueFullError)
})

test('each waits for its own time, with one timer for all', async () => {
  const { clock, granted, refused, ask, length } = pool(1)
  ask('a')
  for (const name of 'bcd') {
    ask(name)
    clock.pass(100)
  }
  assert.equal(clock.pending, 1)
  clock.pass(699)
  assert.equal(refused.length, 0)
  clock.pass(1)
  await turn()
  assert.deepEqual(
    refused.map(([name, error]) => [name, error instanceof QueueTimeoutError]),
    [['b', true]],
  )
  clock.pass(150)
  await turn()
  assert.deepEqual([refused.length, length()], [2, 1])
  granted[0]?.[1].release('ok')
  await turn()
  assert.equal(clock.pending, 0)
})

test('whose time is up gets one that should rest, once, rather than nothing', async () => {
  const { clock, granted, refused, names, ask, registry, length } = pool(2, { ejectMaxPercent: 0 })
  ask('a')
  ask('b')
  granted[0]?.[1].release('failed')
  const failed = granted[0]?.[1].backend as Backend
  ask('c')
  assert.equal(names(), 'a b c', 'in need, and not twice in a second')
  granted[2]?.[1].release('failed')
  for (const name of 'def') ask(name)
  assert.deepEqual([names(), length()], ['a b c', 3])
  clock.pass(999)
  await turn()
  assert.equal(names(), 'a b c')
  registry.update(failed.id, { maxConnections: 2 })
  clock.pass(1)
  await turn()
  assert.deepEqual(
    [granted.slice(3).map(([, lease]) => lease.backend), refused.length],
    [[failed, failed], 1],
  )
  assert.equal(length(), 0)
})

test('a limit that is raised, a backend that joins, is activated or well again: the queue moves', async () => {
  const { names, ask, registry } = pool(2)
  registry.drain('b1')
  for (const name of 'abcdef') ask(name)
  assert.equal(names(), 'a')
  registry.update('b0', { maxConnections: 2 })
  await turn()
  assert.equal(names(), 'a b')
  registry.add({ url: 'http://b2:1', id: 'b2' })
  await turn()
  assert.equal(names(), 'a b c')
  registry.activate('b1')
  await turn()
  assert.equal(names(), 'a b c d')
  registry.setHealth('b2', 'unhealthy')
  registry.update('b2', { maxConnections: 2 })
  await turn()
  assert.equal(names(), 'a b c d')
  registry.setHealth('b2', 'healthy')
  await turn()
  assert.equal(names(), 'a b c d e')
})

test('a limit that is lowered lets nobody in until enough have left', async () => {
  const { granted, names, ask, registry, length } = pool(1, { maxConnections: 3 })
  for (const name of 'abcd') ask(name)
  registry.update('b0', { maxConnections: 1 })
  granted[0]?.[1].release('ok')
  granted[1]?.[1].release('ok')
  await turn()
  assert.deepEqual([names(), length()], ['a b c', 1])
  granted[2]?.[1].release('ok')
  await turn()
  assert.equal(names(), 'a b c d')
})

test('who may not have what is free lets others pass', async () => {
  const { granted, names, ask, registry } = pool(2)
  ask('a')
  ask('b')
  const [first, second] = granted.map(([, lease]) => lease.backend) as [Backend, Backend]
  ask('not on the first', new Set([first]))
  ask('c')
  granted[0]?.[1].release('ok')
  await turn()
  assert.equal(names(), 'a b c')
  granted[1]?.[1].release('ok')
  await turn()
  assert.deepEqual([granted[3]?.[0], granted[3]?.[1].backend], ['not on the first', second])
  assert.equal(registry.inFlight, 2)
})

test('there is nobody to wait for: refused at once', () => {
  const { refused, ask, registry } = pool(1)
  ask('a', new Set(registry.list()))
  registry.drain('b0')
  ask('b')
  assert.deepEqual(
    refused.map(([name, error]) => [name, error instanceof NoBackendError]),
    [
      ['a', true],
      ['b', true],
    ],
  )
})

test('who waits until there is nobody left to wait for is told so at once', async () => {
  const { refused, ask, registry, granted, length } = pool(2)
  ask('a')
  ask('b')
  const second = granted[1]?.[1].backend as Backend
  ask('c')
  ask('not there', new Set(registry.list().filter((backend) => backend !== second)))
  registry.drain(second.id)
  await turn()
  assert.deepEqual([refused.map(([name]) => name), length()], [['not there'], 1])
  for (const { id } of registry.list()) registry.drain(id)
  await turn()
  assert.deepEqual(
    refused.map(([name, error]) => [name, error instanceof NoBackendError]),
    [
      ['not there', true],
      ['c', true],
    ],
  )
})

test('time alone may set something free, and it is for who waits', async () => {
  const { clock, granted, names, ask } = pool(2, { ejectMaxPercent: 0, queueTimeout: 60_000 })
  ask('a')
  ask('b')
  granted[0]?.[1].release('failed')
  ask('c')
  granted[2]?.[1].release('failed')
  ask('d')
  assert.equal(names(), 'a b c')
  // It rests for a second, and both its limit and the line are looked at a little later.
  clock.pass(999)
  await turn()
  assert.equal(names(), 'a b c')
  clock.pass(150)
  await turn()
  assert.equal(names(), 'a b c d')
  granted[3]?.[1].release('failed')
  ask('e')
  clock.pass(1099)
  ask('f')
  await turn()
  assert.equal(names(), 'a b c d e')
})

test('where the queue is full the first in line gets what nobody wanted to take', async () => {
  const { granted, names, ask, length } = pool(2, { ejectMaxPercent: 0, queueLimit: 2 })
  ask('a')
  ask('b')
  granted[0]?.[1].release('failed')
  ask('c')
  granted[2]?.[1].release('failed')
  ask('d')
  ask('e')
  assert.deepEqual([names(), length()], ['a b c', 2])
  ask('f')
  await turn()
  assert.deepEqual([names(), length()], ['a b c d', 2])
})

test('nobody is served after the end, not even who was given a slot in that moment', async () => {
  for (const end of ['stop', 'close'] as const) {
    const { balancer, granted, refused, names, ask, clock } = pool(1)
    ask('a')
    ask('b')
    granted[0]?.[1].release('ok')
    if (end === 'stop') balancer.stop(new StoppedError('over'))
    else {
      balancer.close()
      for (const { leases } of balancer.registry.list()) leases.cutAll(new Error('over'))
    }
    await turn()
    assert.deepEqual([names(), refused.map(([name]) => name)], ['a', ['b']], end)
    assert.deepEqual([balancer.view().inFlight, clock.pending], [0, 0])
  }
})

test('a backend that is removed as it becomes free costs nobody its turn', async () => {
  const { granted, names, ask, registry } = pool(2)
  for (const name of 'abcd') ask(name)
  const [, first] = granted[0] as [string, Lease]
  first.release('ok')
  // "c" has it, and does not know.
  registry.remove(first.backend.id, { force: true })
  await turn()
  assert.equal(names(), 'a b')
  granted[1]?.[1].release('ok')
  await turn()
  granted[2]?.[1].release('ok')
  await turn()
  assert.equal(names(), 'a b c d')
})

test('an ejected backend whose time is up takes one out of the queue', async () => {
  const { clock, granted, names, ask, registry } = pool(2, { ejectConsecutive: 1, ejectBase: 500 })
  ask('a')
  ask('b')
  granted[0]?.[1].release('failed')
  ask('c')
  ask('d')
  assert.equal(names(), 'a b')
  clock.pass(500)
  await turn()
  assert.equal(names(), 'a b c')
  assert.equal(granted[2]?.[1].backend, granted[0]?.[1].backend)
  assert.equal(registry.list().filter(({ health }) => health === 'ejected').length, 1)
})

test('Retry-After is what is in line over the rate at which requests are done', async () => {
  const { clock, granted, refused, ask, balancer } = pool(1, { queueLimit: 20, queueTimeout: 60_000 })
  const full = () => {
    ask('one more')
    const [, error] = refused.at(-1) as [string, QueueFullError]
    return error.retryAfter
  }
  ask('a')
  for (let i = 0; i < 20; i++) ask(`${i}`)
  assert.equal(full(), 60, 'nothing was done yet: as long as a request may wait')
  // Two a second.
  for (let i = 0; i < 40; i++) {
    clock.pass(500)
    granted[i]?.[1].release('ok')
    await turn()
    ask(`later ${i}`)
  }
  assert.equal(balancer.view().queue.length, 20)
  assert.ok([10, 11, 12].includes(full()), `${full()}`)
})

test('a promise, where one is wanted', async () => {
  const { clock, balancer, length } = pool(1)
  const lease = await balancer.acquireInTurn()
  const waiting = balancer.acquireInTurn()
  const leaving = new AbortController()
  const gone = balancer.acquireInTurn({ signal: leaving.signal })
  assert.equal(length(), 2)
  leaving.abort(new Error('enough'))
  await assert.rejects(gone, /enough/)
  assert.equal(length(), 1)
  lease.release('ok')
  const next = await waiting
  const late = assert.rejects(balancer.acquireInTurn(), QueueTimeoutError)
  clock.pass(1000)
  await late
  next.release('ok')
  await assert.rejects(balancer.acquireInTurn({ signal: AbortSignal.abort(new Error('no')) }), /no/)
  assert.equal(balancer.view().inFlight, 0)
})

test('a pool that stops sends everybody away', async () => {
  const { balancer, refused, ask, clock } = pool(1)
  ask('a')
  ask('b')
  balancer.stop(new StoppedError('over'))
  await turn()
  ask('c')
  assert.deepEqual(
    refused.map(([name]) => name),
    ['b', 'c'],
  )
  assert.deepEqual([balancer.view().inFlight, clock.pending], [0, 0])
})

test('first come, first served, whatever each of them may not have', async () => {
  const { granted, names, ask, registry, length } = pool(3)
  for (const name of 'abc') ask(name)
  const [x, y, z] = granted.map(([, lease]) => lease.backend) as [Backend, Backend, Backend]
  const free = async (backend: Backend) => {
    granted.findLast(([, lease]) => lease.backend === backend && lease.held)?.[1].release('ok')
    await turn()
  }
  ask('d not x', new Set([x]), false)
  ask('e', undefined, false)
  ask('f')
  ask('g not x', new Set([x]), false)
  ask('h not x, y', new Set([y, x]), false)
  ask('i not y, x', new Set([x, y]), false)
  ask('j', undefined, false)
  assert.equal(length(), 7)
  const order: string[] = []
  for (const backend of [x, y, x, z, y, z, x, z]) {
    const before = granted.length
    await free(backend)
    order.push(
      granted
        .slice(before)
        .map(([name]) => name)
        .join(),
    )
  }
  assert.deepEqual(order, ['e', 'd not x', 'f', 'g not x', 'j', 'h not x, y', '', 'i not y, x'])
  assert.equal(names().length > 0 && length(), 0)
  registry.drain('b0')
})

test('a thousand who want the same are asked for as one', async () => {
  for (const [repeatable, others] of [
    [false, 0],
    [true, 0],
    [false, 1],
  ] as const) {
    const { granted, ask, registry, balancer, clock } = pool(2, { queueLimit: 2000, queueTimeout: 1e6 })
    ask('a')
    ask('b')
    const except = others ? new Set([granted[1]?.[1].backend as Backend]) : undefined
    for (let i = 0; i < 1000; i++) ask(`${i}`, except && new Set(except), repeatable)
    let looks = 0
    const policy = balancer.policy
    assert.equal(policy, 'least-connections')
    for (const backend of registry.list()) {
      const { slots } = backend.counter
      Object.defineProperty(backend.counter, 'slots', {
        get: () => {
          looks++
          return slots
        },
      })
    }
    // Nothing is free: an arrival, and a look of the clock.
    ask('one more', except, repeatable)
    clock.pass(100)
    assert.ok(looks < 50, `${looks}`)
    looks = 0
    granted[0]?.[1].release('ok')
    await turn()
    assert.ok(looks < 50, `${looks}`)
    assert.equal(granted.at(-1)?.[0], '0')
    balancer.stop(new StoppedError('over'))
  }
})

test('who lost what he was given is first again, before those who came later', async () => {
  const { granted, names, ask, registry } = pool(3)
  for (const name of 'abcdef') ask(name)
  const [first, second, third] = granted.map(([, lease]) => lease) as [Lease, Lease, Lease]
  first.release('ok')
  second.release('ok')
  // "d" and "e" have them, and do not know.
  registry.remove(first.backend.id, { force: true })
  registry.remove(second.backend.id, { force: true })
  await turn()
  assert.equal(names(), 'a b c')
  registry.update(third.backend.id, { maxConnections: 2 })
  await turn()
  assert.equal(names(), 'a b c d')
  registry.update(third.backend.id, { maxConnections: 4 })
  await turn()
  assert.equal(names(), 'a b c d e f')
})
