import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Balancer } from '../../../../src/balancer/balancer.js'
import type { Lease } from '../../../../src/balancer/leases/lease.js'
import type { BalancerOptions } from '../../../../src/balancer/options.js'
import { sharedPool } from '../../../support/pool-members.js'
import { until } from '../../../support/until.js'

const EJECT_MS = 10_000

function pool(t: TestContext, count: number, options: BalancerOptions = {}) {
  const shared = sharedPool(t, {
    members: count,
    backends: ['http://a:1', 'http://b:1', 'http://c:1'],
    slowStart: 0,
    failureDecay: 0,
    ejectBase: EJECT_MS,
    ...options,
  })
  const all = [shared.control, ...shared.members]
  const healths = (id: string) => all.map(({ registry }) => registry.get(id).health)
  return {
    ...shared,
    members: shared.members as [Balancer, Balancer, Balancer],
    healths,
    /** Resolves once the backend has this health in all threads. */
    become: (id: string, health: string) =>
      until(
        () => healths(id),
        (seen) => seen.every((one) => one === health),
      ),
    /** Ejects a backend by failures of the first worker. */
    async eject(id: string) {
      for (let i = 0; i < 5; i++) take(shared.members[0] as Balancer, id).release('failed')
      await this.become(id, 'ejected')
    },
  }
}

/** Takes a lease on a backend. */
function take(balancer: Balancer, id: string) {
  return balancer.acquire(new Set(balancer.registry.list().filter((backend) => backend.id !== id)))
}

/** Lets messages that were sent arrive. */
async function messages(): Promise<void> {
  for (let i = 0; i < 5; i++) await turn()
}

test('failures in a row are counted over all workers, and eject the backend in all of them', async (t) => {
  const { members, become, healths } = pool(t, 3)
  const [first, second, third] = members
  for (const member of [first, second, third, first]) take(member, 'a-1').release('failed')
  await messages()
  assert.deepEqual(healths('a-1'), Array(4).fill('unknown'))
  take(second, 'a-1').release('failed')
  await become('a-1', 'ejected')
  for (const member of members) assert.throws(() => take(member, 'a-1'))
})

test('a success in another worker ends a series of failures', async (t) => {
  const { members, healths } = pool(t, 3)
  const [first, second] = members
  for (let i = 0; i < 4; i++) take(first, 'a-1').release('failed')
  take(second, 'a-1').release('ok')
  for (let i = 0; i < 4; i++) take(first, 'a-1').release('failed')
  await messages()
  assert.deepEqual(healths('a-1'), Array(4).fill('unknown'))
})

test('no more than the allowed part of the pool is ejected, whichever workers see the failures', async (t) => {
  const { members, become, healths } = pool(t, 3, { ejectMaxPercent: 34 })
  for (let i = 0; i < 5; i++) take(members[0], 'a-1').release('failed')
  for (let i = 0; i < 5; i++) take(members[1], 'b-1').release('failed')
  for (let i = 0; i < 5; i++) take(members[2], 'c-1').release('failed')
  await become('a-1', 'ejected')
  await messages()
  assert.deepEqual(healths('b-1'), Array(4).fill('unknown'))
  assert.deepEqual(healths('c-1'), Array(4).fill('unknown'))
})

test('one request of one worker probes an ejected backend, and its result decides for all', async (t) => {
  const shared = pool(t, 3)
  const { members, clock } = shared
  await shared.eject('a-1')
  clock.pass(EJECT_MS)
  const leases = members.map((member) => member.acquire())
  assert.equal(leases.filter(({ backend }) => backend.id === 'a-1').length, 1)
  const more = members.map((member) => member.acquire())
  assert.ok(!more.some(({ backend }) => backend.id === 'a-1'))
  const probe = leases.find(({ backend }) => backend.id === 'a-1')
  probe?.release('failed')
  await until(
    () => shared.control.registry.get('a-1').ejections,
    (seen) => seen === 2,
  )
  await shared.settled()
  // The second ejection takes twice as long.
  clock.pass(EJECT_MS)
  assert.ok(!members.some((member) => member.acquire().backend.id === 'a-1'))
  clock.pass(EJECT_MS)
  const second = members.map((member) => member.acquire()).find(({ backend }) => backend.id === 'a-1')
  second?.release('ok')
  await shared.become('a-1', 'unknown')
})

test('a probe without a result is followed by another: cancelled at once, or silent for the base time', async (t) => {
  const shared = pool(t, 3)
  const { members, clock } = shared
  await shared.eject('a-1')
  clock.pass(EJECT_MS)
  const [first, second, third] = members
  const cancelled = first.acquire()
  assert.equal(cancelled.backend.id, 'a-1')
  cancelled.release('cancelled')
  const silent = second.acquire()
  assert.equal(silent.backend.id, 'a-1')
  await messages()
  assert.notEqual(third.acquire().backend.id, 'a-1')
  clock.pass(EJECT_MS)
  const next = third.acquire()
  assert.equal(next.backend.id, 'a-1')
  // The silent one is no probe any more.
  silent.release('failed')
  await messages()
  assert.equal(shared.control.registry.get('a-1').ejections, 1)
  next.release('ok')
  await shared.become('a-1', 'unknown')
})

test('a worker that ends while it probes a backend leaves the probe to another', async (t) => {
  const shared = pool(t, 3)
  const { members, clock, workers } = shared
  await shared.eject('a-1')
  clock.pass(EJECT_MS)
  const [first, second, third] = members
  assert.equal(first.acquire().backend.id, 'a-1')
  assert.notEqual(second.acquire().backend.id, 'a-1')
  workers[0]?.close()
  assert.equal(third.acquire().backend.id, 'a-1')
  assert.notEqual(second.acquire().backend.id, 'a-1')
})

test('results of requests from before an ejection, or from before its end, do not count', async (t) => {
  const shared = pool(t, 3)
  const { members, clock } = shared
  const [first, second] = members
  const early = Array.from({ length: 6 }, () => take(second, 'a-1'))
  await shared.eject('a-1')
  early.pop()?.release('ok')
  await messages()
  assert.equal(shared.control.registry.get('a-1').health, 'ejected')
  clock.pass(EJECT_MS)
  first.acquire().release('ok')
  await shared.become('a-1', 'unknown')
  for (const lease of early) lease.release('failed')
  await messages()
  assert.deepEqual(shared.healths('a-1'), Array(4).fill('unknown'))
})

test('at most one message is sent on a backend in 10 ms, however many requests fail', async (t) => {
  const { members, workers, clock } = pool(t, 3, { ejectMaxPercent: 1 })
  const heard: unknown[] = []
  const port = workers[0]?.handle.port as unknown as { postMessage(message: unknown): void }
  const post = port.postMessage.bind(port)
  port.postMessage = (message) => {
    heard.push(message)
    post(message)
  }
  for (let i = 0; i < 1000; i++) {
    take(members[0], 'a-1').release('failed')
    clock.pass(0.02)
  }
  assert.equal(heard.length, 2)
})

test('in panic a success reinstates a backend in all workers', async (t) => {
  const shared = pool(t, 3, { backends: ['http://a:1'], ejectMaxPercent: 100 })
  await shared.eject('a-1')
  for (const { registry } of shared.members) {
    assert.equal(registry.panicking, true)
    assert.equal(registry.eligible.length, 1)
  }
  shared.members[2].acquire().release('ok')
  await shared.become('a-1', 'unknown')
})

test('requests that wait in a worker get the probe when it becomes due', async (t) => {
  const shared = pool(t, 2, {
    backends: ['http://a:1', 'http://b:1'],
    maxConnections: 1,
    queueTimeout: 60_000,
  })
  const [first, second] = shared.members
  await shared.eject('a-1')
  // Not a time at which the queue looks by itself.
  shared.clock.pass(EJECT_MS - 50)
  const busy = first.acquire()
  const waiting = second.acquireInTurn()
  shared.clock.pass(50)
  let lease: Lease | undefined
  waiting.then((given) => {
    lease = given
  })
  // A ring alone does not keep the thread alive, but looking does.
  lease = await until(() => lease, Boolean)
  assert.equal(lease?.backend.id, 'a-1')
  lease?.release('ok')
  busy.release('ok')
})
