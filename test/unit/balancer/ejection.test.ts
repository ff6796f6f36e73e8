import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Backend } from '../../../src/balancer/backends/backend.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import { NoBackendError } from '../../../src/balancer/errors.js'
import type { Lease } from '../../../src/balancer/leases/lease.js'
import type { Outcome } from '../../../src/balancer/leases/outcome.js'
import type { BalancerOptions } from '../../../src/balancer/options.js'
import { TestClock } from '../../support/clock.js'

/** A pool of `count` backends in which nothing but ejection limits a backend. */
function pool(count: number, options: BalancerOptions = {}) {
  const clock = new TestClock()
  const backends = Array.from({ length: count }, (_, i) => ({ url: `http://b${i}:1`, id: `b${i}` }))
  const defaults = { failureDecay: 0, slowStart: 0, ejectBase: 1000, ejectMax: 5000 }
  const balancer = new Balancer({ clock, backends, ...defaults, ...options })
  const { registry } = balancer
  return {
    clock,
    balancer,
    registry,
    backend: (i: number) => registry.get(`b${i}`),
    healths: () => registry.list().map(({ health }) => health),
    /** A request on one backend, whatever the policy would say. */
    on: (i: number) => {
      const backend = registry.get(`b${i}`)
      return balancer.acquire(new Set(registry.list().filter((other) => other !== backend)))
    },
  }
}

const run = (on: (i: number) => Lease, i: number, ...outcomes: Outcome[]) => {
  for (const outcome of outcomes) on(i).release(outcome)
}
const failures = (count: number) => Array<Outcome>(count).fill('failed')

test('failures in a row eject a backend, others do not', () => {
  const { on, healths } = pool(3)
  run(on, 0, ...failures(4), 'ok', ...failures(4))
  assert.deepEqual(healths(), ['unknown', 'unknown', 'unknown'])
  run(on, 0, 'failed')
  assert.deepEqual(healths(), ['ejected', 'unknown', 'unknown'])
})

test('a cancelled request is no failure, and a success where its response had begun', () => {
  const { on, healths } = pool(3)
  run(on, 0, ...failures(4), ...Array<Outcome>(20).fill('cancelled'))
  assert.equal(healths()[0], 'unknown')
  const stream = on(0)
  stream.answered(0)
  stream.release('cancelled')
  run(on, 0, ...failures(4))
  assert.equal(healths()[0], 'unknown')
})

test('no more than the allowed part of the pool is ever ejected', () => {
  for (const [count, percent, most] of [
    [3, 50, 1],
    [4, 50, 2],
    [1, 50, 0],
    [2, 50, 1],
    [3, 100, 3],
    [10, 34, 3],
    [3, 0, 0],
  ] as const) {
    const { on, registry } = pool(count, { ejectMaxPercent: percent, panic: 'off' })
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < count; i++) if (registry.get(`b${i}`).isUsable) run(on, i, 'failed')
    }
    const ejected = registry.list().filter(({ health }) => health === 'ejected').length
    assert.equal(ejected, most, `${count} at ${percent} %`)
  }
})

test('where the pool shrinks, the longest-ejected backends are reinstated until the ceiling holds again', () => {
  const { on, registry, healths } = pool(4)
  run(on, 0, ...failures(5))
  run(on, 1, ...failures(5))
  assert.deepEqual(healths(), ['ejected', 'ejected', 'unknown', 'unknown'])
  registry.drain('b3')
  assert.deepEqual(healths(), ['unknown', 'ejected', 'unknown', 'unknown'])
  registry.remove('b2', { force: true })
  assert.deepEqual(healths(), ['unknown', 'ejected', 'unknown'])
  registry.setHealth('b0', 'unhealthy')
  assert.deepEqual(healths(), ['unhealthy', 'unknown', 'unknown'])
})

test('a single request probes an ejected backend, and its result decides', () => {
  const { clock, balancer, on, backend, healths } = pool(3)
  run(on, 0, ...failures(5))
  for (let i = 0; i < 20; i++) assert.notEqual(balancer.acquire().backend, backend(0))
  clock.pass(999)
  assert.notEqual(balancer.acquire().backend, backend(0))
  clock.pass(1)
  const probe = balancer.acquire()
  assert.equal(probe.backend, backend(0), 'although others are idle')
  for (let i = 0; i < 20; i++) assert.notEqual(balancer.acquire().backend, backend(0))
  probe.release('ok')
  assert.equal(healths()[0], 'unknown')
  assert.equal(balancer.acquire().backend, backend(0))
})

test('the head of a good response ends a probe: a stream may never end', () => {
  const { clock, balancer, on, healths } = pool(3)
  run(on, 0, ...failures(5))
  clock.pass(1000)
  balancer.acquire().answered(clock.now())
  assert.equal(healths()[0], 'unknown')
})

test('a cancelled probe is followed by another', () => {
  const { clock, balancer, on, backend } = pool(3)
  run(on, 0, ...failures(5))
  clock.pass(1000)
  for (let i = 0; i < 3; i++) {
    const probe = balancer.acquire()
    assert.equal(probe.backend, backend(0))
    probe.release('cancelled')
  }
})

test('each failed probe makes the next ejection longer, up to the ceiling', () => {
  const { clock, balancer, on, backend } = pool(3)
  run(on, 0, ...failures(5))
  for (const time of [1000, 2000, 3000, 4000, 5000, 5000]) {
    clock.pass(time - 1)
    assert.notEqual(balancer.acquire().backend, backend(0), `${time}`)
    clock.pass(1)
    const probe = balancer.acquire()
    assert.equal(probe.backend, backend(0), `${time}`)
    probe.release('failed')
  }
})

test('time without an ejection makes the next one shorter', () => {
  const { clock, balancer, on, backend } = pool(3)
  const again = () => {
    run(on, 0, ...failures(5))
    const until = (backend(0).ejectedUntil as Date).getTime() - clock.date().getTime()
    clock.pass(until)
    balancer.acquire().release('ok')
    return until
  }
  assert.deepEqual([again(), again(), again()], [1000, 2000, 3000])
  clock.pass(2000)
  assert.equal(again(), 2000)
  clock.pass(60_000)
  assert.equal(again(), 1000)
})

test('results of requests from before an ejection, or from before its end, do not count', () => {
  const { clock, balancer, on, healths } = pool(3)
  const before = Array.from({ length: 12 }, () => on(0))
  run(on, 0, ...failures(5))
  before.splice(0, 3).forEach((lease) => {
    lease.release('ok')
  })
  assert.equal(healths()[0], 'ejected')
  clock.pass(1000)
  balancer.acquire().release('ok')
  for (const lease of before) lease.release('failed')
  assert.equal(healths()[0], 'unknown')
})

test('in panic ejected backends are used, and the first success reinstates them', () => {
  const { balancer, registry, on, healths } = pool(2, { ejectMaxPercent: 100 })
  run(on, 0, ...failures(5))
  run(on, 1, ...failures(5))
  assert.deepEqual(healths(), ['ejected', 'ejected'])
  assert.equal(registry.panicking, true)
  const lease = balancer.acquire()
  lease.release('failed')
  assert.deepEqual(healths(), ['ejected', 'ejected'])
  const other = balancer.acquire()
  other.release('ok')
  assert.equal(other.backend.health, 'unknown')
  assert.equal(registry.panicking, false)
})

test('a backend that is full, draining, unhealthy or excluded is not probed', () => {
  const { clock, balancer, registry, on, backend } = pool(3)
  run(on, 0, ...failures(5))
  clock.pass(1000)
  const never = (why: string) => {
    for (let i = 0; i < 5; i++) assert.notEqual(balancer.acquire().backend, backend(0), why)
  }
  const one = new Set<Backend>([backend(0)])
  assert.notEqual(balancer.acquire(one).backend, backend(0), 'failed there before')
  registry.setHealth('b0', 'unhealthy')
  never('unhealthy')
  // Checks that pass again end an ejection.
  registry.setHealth('b0', 'healthy')
  assert.equal(backend(0).health, 'healthy')
  run(on, 0, ...failures(5))
  registry.drain('b0')
  clock.pass(60_000)
  never('draining')
})

test('activate ends an ejection, of a draining backend as well', () => {
  const { registry, on, healths } = pool(4)
  run(on, 0, ...failures(5))
  run(on, 1, ...failures(5))
  registry.drain('b1')
  registry.activate('b0')
  registry.activate('b1')
  assert.deepEqual(healths(), ['unknown', 'unknown', 'unknown', 'unknown'])
})

test('a removed backend and a closed pool leave no timer', () => {
  const { clock, balancer, registry, on } = pool(4)
  run(on, 0, ...failures(5))
  run(on, 1, ...failures(5))
  assert.equal(clock.pending, 2)
  registry.remove('b0')
  assert.equal(clock.pending, 1)
  const added = registry.add({ url: 'http://b0:1', id: 'b0' })
  assert.equal(added.health, 'unknown')
  run(on, 0, ...failures(4))
  assert.equal(added.health, 'unknown', 'its count is a new one')
  balancer.close()
  assert.equal(clock.pending, 0)
})

test('the result of a request whose backend was removed is ignored', () => {
  const { clock, registry, on } = pool(4, { ejectConsecutive: 1, failureDecay: 1000 })
  const lease = on(0)
  lease.onCut = () => {}
  const { backend } = lease
  registry.remove('b0', { force: true })
  lease.release('failed')
  assert.deepEqual([clock.pending, backend.health, backend.share()], [0, 'unknown', 1])
})

test('a request that cannot be repeated is no probe for a tenth of the base time', () => {
  const { clock, balancer, on, backend } = pool(3)
  const post = () => {
    let chosen: Backend | undefined
    balancer.lease({
      onLease(lease) {
        chosen = lease.backend
        lease.release('cancelled')
      },
      onReject: assert.fail,
      repeatable: false,
    })
    return chosen
  }
  run(on, 0, ...failures(5))
  clock.pass(1099)
  assert.notEqual(post(), backend(0))
  assert.equal(on(0).release('cancelled'), true)
  clock.pass(99)
  assert.notEqual(post(), backend(0))
  clock.pass(1)
  assert.equal(post(), backend(0))
})

test('a probe without a result after the base time is followed by another', () => {
  const { clock, balancer, on, backend } = pool(3)
  run(on, 0, ...failures(5))
  clock.pass(1000)
  const first = balancer.acquire()
  assert.equal(first.backend, backend(0))
  clock.pass(999)
  assert.notEqual(balancer.acquire().backend, backend(0))
  clock.pass(1)
  assert.equal(balancer.acquire().backend, backend(0))
  first.release('ok')
  assert.equal(backend(0).health, 'unknown')
})

test('a day of failed probes is worked off in the time of the longest ejection', () => {
  const { clock, balancer, on, backend } = pool(3)
  run(on, 0, ...failures(5))
  for (let i = 0; i < 100; i++) {
    clock.pass(5000)
    balancer.acquire().release('failed')
  }
  clock.pass(5000)
  balancer.acquire().release('ok')
  clock.pass(5000)
  run(on, 0, ...failures(5))
  assert.equal((backend(0).ejectedUntil as Date).getTime() - clock.date().getTime(), 1000)
})

test('failures that a client may have caused eject no backend', () => {
  const { on, healths } = pool(3)
  run(on, 0, ...Array<Outcome>(20).fill('doubtful'))
  assert.equal(healths()[0], 'unknown')
})

test('activate forgets the failures from before a drain', () => {
  const { registry, on, healths } = pool(3)
  run(on, 0, ...failures(4))
  registry.drain('b0')
  registry.activate('b0')
  run(on, 0, 'failed')
  assert.equal(healths()[0], 'unknown')
})

test('a backend that was reinstated because the pool shrank has no failures yet', () => {
  const { registry, on, healths } = pool(3, { ejectConsecutive: 2 })
  run(on, 0, ...failures(2))
  registry.drain('b1')
  registry.drain('b2')
  registry.activate('b1')
  registry.activate('b2')
  run(on, 0, 'failed')
  assert.equal(healths()[0], 'unknown')
})

test('panic off: an ejected pool refuses requests', () => {
  const { balancer, on } = pool(2, { ejectMaxPercent: 100, panic: 'off' })
  run(on, 0, ...failures(5))
  run(on, 1, ...failures(5))
  assert.throws(() => balancer.acquire(), NoBackendError)
})

test('failures beyond the ceiling do not count the whole pool each time', () => {
  const { balancer, registry, on } = pool(100, { ejectConsecutive: 1, ejectMaxPercent: 1 })
  on(0).release('failed')
  on(1).release('failed')
  let lists = 0
  const { list } = registry
  registry.list = () => {
    lists++
    return list.call(registry)
  }
  const leases = Array.from({ length: 500 }, () => balancer.acquire())
  for (const lease of leases) lease.release('failed')
  assert.equal(lists, 0)
  assert.equal(registry.list().filter(({ isEjected }) => isEjected).length, 1)
  // When the pool grows, one more may be ejected.
  for (let i = 0; i < 100; i++) registry.add({ url: `http://new${i}:1` })
  on(1).release('failed')
  assert.equal(registry.list().filter(({ isEjected }) => isEjected).length, 2)
  balancer.close()
})
