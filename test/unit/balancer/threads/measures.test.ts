import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Balancer } from '../../../../src/balancer/balancer.js'
import { sharedPool } from '../../../support/pool-members.js'

const backends = ['http://a:1', 'http://b:1']

/** Takes a lease on a backend. */
function take(balancer: Balancer, id: string) {
  return balancer.acquire(new Set(balancer.registry.list().filter((backend) => backend.id !== id)))
}

const all = <T>(balancers: Balancer[], look: (balancer: Balancer) => T) => balancers.map(look)

test('a slow answer to one worker counts at once for every worker', (t) => {
  const { members, clock } = sharedPool(t, { members: 3, backends, policy: 'least-response-time' })
  const [first] = members as [Balancer]
  for (const id of ['a-1', 'b-1'])
    for (const member of members) {
      const lease = take(member, id)
      clock.pass(10)
      lease.release('ok')
    }
  const slow = take(first, 'a-1')
  clock.pass(500)
  slow.release('ok')
  assert.deepEqual(
    all(members, ({ registry }) => registry.get('a-1').responseTime.estimate(clock.now(), undefined)),
    [500, 500, 500],
  )
  for (const member of members) assert.equal(member.acquire().backend.id, 'b-1')
})

test('the longest wait for an answer is that of all workers', (t) => {
  const { members, clock, workers } = sharedPool(t, { members: 3, backends })
  const [first, second, third] = members as [Balancer, Balancer, Balancer]
  const longest = () => all(members, ({ registry }) => registry.get('a-1').leases.awaitedSince)
  assert.deepEqual(longest(), [undefined, undefined, undefined])
  const prepared = take(third, 'a-1')
  prepared.prepare()
  assert.deepEqual(longest(), [Infinity, Infinity, Infinity])
  clock.pass(100)
  const early = take(first, 'a-1')
  clock.pass(50)
  const late = take(second, 'a-1')
  assert.deepEqual(longest(), [100, 100, 100])
  early.dispatched(clock.now())
  clock.pass(10)
  late.answered(clock.now())
  assert.deepEqual(longest(), [150, 150, 150])
  workers[0]?.close()
  assert.deepEqual(longest(), [Infinity, Infinity, Infinity])
  prepared.release('ok')
  assert.deepEqual(longest(), [undefined, undefined, undefined])
})

test('latencies are summarised over all workers, the latest 1,024 of them', (t) => {
  const { members, control } = sharedPool(t, { members: 2, backends })
  const [first, second] = members as [Balancer, Balancer]
  const latency = ({ registry }: Balancer) => registry.get('a-1').latency
  for (let i = 1; i <= 100; i++) latency(i % 2 ? first : second).add(i, 0)
  const summary = latency(control).summary()
  assert.deepEqual([summary.p50, summary.p99], [50, 99])
  assert.deepEqual(latency(second).summary(), summary)
  for (let i = 0; i < 1024; i++) latency(first).add(7, 1)
  const { p50, p99 } = latency(control).summary()
  assert.deepEqual([p50, p99], [7, 7])
})

test('what no longer applies is forgotten by the control plane alone, and workers lose nothing newer', async (t) => {
  const { control, members, clock, settled } = sharedPool(t, { members: 2, backends, slowStart: 0 })
  const [first, second] = members as [Balancer, Balancer]
  for (let i = 0; i < 3; i++) {
    const lease = take(first, 'a-1')
    clock.pass(100)
    lease.release('failed')
  }
  assert.ok(second.registry.get('a-1').share() < 0.2)
  control.registry.drain('a-1')
  control.registry.activate('a-1')
  assert.equal(first.registry.get('a-1').share(), 1)
  assert.equal(first.registry.get('a-1').responseTime.estimate(clock.now(), undefined), 0)
  // A failure after the change, and before the workers have heard of it, counts.
  const { healthMemory, responseTime } = second.registry.get('a-1')
  responseTime.add(300, clock.now())
  healthMemory.replaceFailureMark(0, clock.now())
  await settled()
  assert.equal(second.registry.get('a-1').share(), 0)
  assert.equal(first.registry.get('a-1').responseTime.estimate(clock.now(), undefined), 300)
})

test('slow start begins for all workers at the same time, also for one that is started later', async (t) => {
  const shared = sharedPool(t, { members: 2, backends, slowStart: 10_000 })
  const { control, members, clock, settled, join, workers } = shared
  control.registry.add({ url: 'http://c:1', id: 'c' })
  await settled()
  clock.pass(2500)
  assert.deepEqual(
    all([control, ...members], ({ registry }) => registry.get('c').share()),
    [0.25, 0.25, 0.25],
  )
  members[1]?.close()
  workers[1]?.close()
  const { member } = join()
  assert.equal(member.registry.get('c').share(), 0.25)
  // A quarter of its fair share of a third, in each worker.
  for (const balancer of [members[0], member] as Balancer[]) {
    const chosen = Array.from({ length: 240 }, () => {
      const lease = balancer.acquire()
      lease.release('ok')
      return lease.backend.id
    })
    const count = chosen.filter((id) => id === 'c').length
    assert.ok(count >= 19 && count <= 22, `${count}`)
  }
  clock.pass(7500)
  assert.equal(member.registry.get('c').share(), 1)
})

test('the retry budget is a part of the requests of all workers', (t) => {
  const { members, clock } = sharedPool(t, { members: 4, backends, retryBudget: 20 })
  for (const member of members) for (let i = 0; i < 100; i++) member.requested()
  // The reserve of 10, and a fifth of 400 requests.
  let granted = 0
  for (let i = 0; i < 100; i++) if ((members[i % 4] as Balancer).retryBudget.spend()) granted++
  assert.equal(granted, 90)
  clock.pass(10_000)
  for (const member of members) assert.equal(member.retryBudget.allows(), true)
  granted = 0
  for (let i = 0; i < 100; i++) if ((members[i % 4] as Balancer).retryBudget.spend()) granted++
  assert.equal(granted, 10)
})

test('hedges, and those that won, are counted over all workers', (t) => {
  const { control, members, clock } = sharedPool(t, { members: 2, backends, hedge: 100, hedgeBudget: 100 })
  for (const member of members) {
    for (let i = 0; i < 10; i++) member.requested()
    member.hedging.expect(() => true)
  }
  clock.pass(100)
  members[0]?.hedging.wins()
  assert.deepEqual([control.hedging.sent, control.hedging.won, control.view().hedges], [2, 1, 2])
})

test('a request that a hedge took away in one worker counts as load in all, until any of them gets an answer', (t) => {
  const { members, clock, workers } = sharedPool(t, { members: 3, backends })
  const [first, second] = members as [Balancer, Balancer]
  const loads = () => all(members, ({ registry }) => registry.get('a-1').load)
  first.lostToHedge(take(first, 'a-1'))
  assert.deepEqual(loads(), [2, 2, 2])
  const lease = take(second, 'a-1')
  lease.answered(clock.now())
  assert.deepEqual(loads(), [2, 2, 2])
  first.lostToHedge(lease)
  assert.deepEqual(loads(), [3, 3, 3])
  workers[0]?.close()
  assert.deepEqual(loads(), [1, 1, 1])
})

test('a backend that refuses what others answer is found by each worker, from answers of its own', (t) => {
  const { members, clock } = sharedPool(t, { members: 2, backends: [...backends, 'http://c:1'] })
  const [first, second] = members as [Balancer, Balancer]
  const isFound = () => all(members, ({ registry }) => registry.get('a-1').tier > 0)
  const answer = (member: Balancer) => {
    for (const id of ['a-1', 'b-1', 'c-1']) {
      const lease = take(member, id)
      lease.answered(clock.now(), id === 'a-1' ? 'refused' : 'ok')
      lease.release('ok')
    }
  }
  for (let i = 0; i < 30; i++) answer(first)
  assert.deepEqual(isFound(), [true, false])
  for (let i = 0; i < 30; i++) answer(second)
  assert.deepEqual(isFound(), [true, true])
})
