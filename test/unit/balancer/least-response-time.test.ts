import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../../src/balancer/balancer.js'
import type { Lease } from '../../../src/balancer/leases/lease.js'
import { TestClock } from '../../support/clock.js'
import { seeded } from '../../support/random.js'

/** Milliseconds after which a slow response counts for a third of its time. */
const DECAY_MS = 5000

function pool(count: number) {
  const clock = new TestClock()
  const backends = Array.from({ length: count }, (_, i) => ({ url: `http://b${i}:1`, id: `b${i}` }))
  const balancer = new Balancer({ policy: 'least-response-time', clock, backends, random: seeded(1) })
  /** Sends requests, so many at a time; returns how many of them each backend got. */
  const send = (total: number, concurrency: number, time: (id: string) => number) => {
    const got: Record<string, number> = Object.fromEntries(backends.map(({ id }) => [id, 0]))
    const running: { lease: Lease; ends: number }[] = []
    const finish = () => {
      const first = running.reduce((a, b) => (b.ends < a.ends ? b : a))
      running.splice(running.indexOf(first), 1)
      clock.pass(first.ends - clock.now())
      first.lease.answered(clock.now())
      first.lease.release('ok')
    }
    for (let i = 0; i < total; i++) {
      if (running.length === concurrency) finish()
      const lease = balancer.acquire()
      const { id } = lease.backend
      got[id] = (got[id] ?? 0) + 1
      running.push({ lease, ends: clock.now() + time(id) })
    }
    while (running.length > 0) finish()
    return got
  }
  return { clock, balancer, send }
}

test('a slow backend gets a request now and then', () => {
  const { send } = pool(3)
  const got = send(3000, 6, (id) => (id === 'b2' ? 200 : 10))
  assert.ok((got.b2 as number) <= 6, JSON.stringify(got))
  assert.ok(Math.abs((got.b0 as number) - (got.b1 as number)) <= 20, JSON.stringify(got))
})

test('a backend without history gets one request, not everything', () => {
  const { balancer, send } = pool(2)
  send(100, 2, () => 10)
  const added = balancer.registry.add({ url: 'http://new:1', id: 'new' })
  const leases = Array.from({ length: 20 }, () => balancer.acquire())
  assert.equal(leases.filter(({ backend }) => backend === added).length, 1)
})

test('a backend that stalls is avoided before its first late response', () => {
  const { clock, balancer, send } = pool(3)
  send(300, 6, () => 10)
  const stalled = balancer.acquire()
  clock.pass(100)
  for (let i = 0; i < 50; i++) {
    const lease = balancer.acquire()
    assert.notEqual(lease.backend, stalled.backend)
    clock.pass(10)
    lease.answered(clock.now())
    lease.release('ok')
  }
})

for (const slow of [60, 1000, 100_000]) {
  test(`a backend that was slow once, ${slow} ms, has its fair share back within three decay times`, () => {
    const { clock, send } = pool(3)
    send(300, 6, () => 10)
    send(30, 6, (id) => (id === 'b2' ? slow : 10))
    const slowedAt = clock.now()
    while (clock.now() < slowedAt + 3 * DECAY_MS) send(30, 6, () => 10)
    const got = send(900, 6, () => 10)
    for (const share of Object.values(got)) assert.ok(Math.abs(share - 300) <= 15, JSON.stringify(got))
  })
}

test('backends that differ by a little share the work, even one request at a time', () => {
  const { send } = pool(3)
  const got = send(3000, 1, (id) => ({ b0: 10, b1: 11, b2: 13 })[id] as number)
  for (const share of Object.values(got)) assert.ok(share > 700, JSON.stringify(got))
})

test('in a large pool the slow ones are avoided as well', () => {
  const { send } = pool(300)
  const isSlow = (id: string) => Number(id.slice(1)) % 3 === 0
  const got = send(30_000, 300, (id) => (isSlow(id) ? 200 : 10))
  const slow = Object.entries(got).filter(([id]) => isSlow(id))
  const sum = slow.reduce((total, [, count]) => total + count, 0)
  assert.ok(sum < 30_000 / 20, `${sum} of 30000`)
  for (const [id, count] of Object.entries(got)) assert.ok(count > 0, id)
})

test('a fast failure does not make a backend fast', () => {
  const { clock, balancer, send } = pool(2)
  send(100, 2, () => 10)
  const lease = balancer.acquire()
  const { responseTime } = lease.backend
  clock.pass(1)
  const before = responseTime.estimate(clock.now(), undefined)
  lease.answered(clock.now(), 'failed')
  lease.release('failed')
  assert.equal(responseTime.estimate(clock.now(), undefined), before)
})

test('the time that a client takes to send a body does not count for the backend', () => {
  const { clock, balancer, send } = pool(2)
  send(100, 2, () => 10)
  const lease = balancer.acquire()
  lease.uploading()
  clock.pass(5000)
  const { backend } = lease
  assert.equal(backend.leases.awaitedSince, undefined)
  lease.uploaded(clock.now())
  assert.equal(backend.leases.awaitedSince, clock.now())
  clock.pass(12)
  lease.answered(clock.now())
  assert.ok(backend.responseTime.estimate(clock.now(), undefined) <= 12)
  assert.ok(backend.view().latency.p99 <= 12)
})

test('the time that an app takes before it asks the backend does not count, and floods no backend', () => {
  const { clock, balancer, send } = pool(2)
  send(100, 2, () => 10)
  const lease = balancer.acquire()
  lease.prepare()
  clock.pass(150)
  const { backend } = lease
  assert.equal(backend.leases.awaitedSince, Number.POSITIVE_INFINITY)
  assert.ok(backend.responseTime.estimate(clock.now(), backend.leases.awaitedSince) <= 10)
  lease.dispatched(clock.now())
  assert.equal(backend.leases.awaitedSince, clock.now())
  clock.pass(12)
  lease.answered(clock.now())
  assert.ok(backend.view().latency.p99 <= 12)

  const { balancer: unknown } = pool(1)
  const first = unknown.acquire()
  const { responseTime, leases } = first.backend
  assert.equal(responseTime.estimate(0, leases.awaitedSince), Number.POSITIVE_INFINITY)
  first.prepare()
  assert.equal(responseTime.estimate(0, leases.awaitedSince), Number.POSITIVE_INFINITY, 'one finds out')
})

test('a slow connect counts while it is waited for, and is no part of the response time', () => {
  const { clock, balancer, send } = pool(2)
  send(100, 2, () => 10)
  const lease = balancer.acquire()
  const { backend } = lease
  lease.prepare()
  lease.dispatched(clock.now())
  clock.pass(400)
  assert.equal(backend.responseTime.estimate(clock.now(), backend.leases.awaitedSince), 400)
  lease.sent(clock.now())
  clock.pass(12)
  lease.answered(clock.now())
  assert.ok(backend.view().latency.p99 <= 12)
})
