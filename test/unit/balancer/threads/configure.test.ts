import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { Balancer, ControlledElsewhereError, type PoolWorkers } from '../../../../src/balancer/index.js'
import type { BalancerOptions } from '../../../../src/balancer/options.js'
import type { ConfiguredWork } from '../../../support/configured-worker.js'
import { sharedPool } from '../../../support/pool-members.js'
import { until } from '../../../support/until.js'

const [a, b, c] = ['http://a:1', 'http://b:1', 'http://c:1'] as const

async function twoMembers(t: TestContext, options: BalancerOptions = {}) {
  const pool = sharedPool(t, { backends: [a, b], slowStart: 0, ...options, members: 2 })
  await pool.settled()
  const [one, two] = pool.members as [Balancer, Balancer]
  const configure = async (changed: BalancerOptions) => {
    const change = pool.control.configure(changed)
    await pool.settled()
    return change
  }
  return { ...pool, one, two, registry: pool.control.registry, configure }
}

/** The backends as a member knows them. */
const seen = ({ registry }: Balancer) =>
  registry.list().map(({ id, weight, maxConnections, state }) => `${id} ${weight} ${maxConnections} ${state}`)

test('backends that a configuration adds, changes and drops come and go in every member, counts stay', async (t) => {
  const { one, two, registry, configure } = await twoMembers(t)
  const leases = [one.acquire(), two.acquire()]
  await configure({ backends: [{ url: b, weight: 4 }, c], maxConnections: 3 })
  for (const member of [one, two])
    assert.deepEqual(seen(member).sort(), ['a-1 1 3 draining', 'b-1 4 3 active', 'c-1 1 3 active'])
  assert.deepEqual(
    registry.list().map(({ inFlight }) => inFlight),
    [1, 1, 0],
  )
  await configure({ backends: [a, b] })
  assert.deepEqual(seen(two).sort(), ['a-1 1 3 active', 'b-1 1 3 active'])
  for (const lease of leases) assert.ok(lease.held)
  for (const lease of leases) lease.release('ok')
  assert.equal(registry.inFlight, 0)
})

test('a member is configured by the control plane alone', async (t) => {
  const { one } = await twoMembers(t)
  assert.throws(() => one.configure({ queueLimit: 3 }), ControlledElsewhereError)
})

test('limits of the queue, hedges and retries are those of the configuration in each member', async (t) => {
  const { one, two, configure, clock } = await twoMembers(t, { maxConnections: 1, queueTimeout: 5000 })
  const leases = [one.acquire(), two.acquire()]
  for (let i = 0; i < 100; i++) one.requested()
  for (let i = 0; i < 30; i++) two.retried()
  await configure({ queueLimit: 2, queueTimeout: 300, hedge: 70, hedgeBudget: 100, retryBudget: 0 })
  const errors: string[] = []
  const wait = (member: Balancer) =>
    member.lease({
      onLease: () => assert.fail('no backend has room'),
      onReject: (error) => errors.push(error.message),
    })
  wait(one)
  wait(two)
  wait(two)
  await new Promise(setImmediate)
  assert.match(errors.join(), /2 requests wait$/)
  clock.pass(400)
  await new Promise(setImmediate)
  assert.equal(errors.filter((text) => text.endsWith('for 300 ms')).length, 2)
  assert.deepEqual([one.hedging.delay, two.hedging.delay], [70, 70])
  assert.deepEqual([one.retryBudget.allows(), two.retryBudget.allows()], [false, false])
  for (const lease of leases) lease.release('ok')
})

test('ejection, penalty and panic go by the new options, and what was counted before counts', async (t) => {
  const { one, two, registry, configure, settled } = await twoMembers(t, {
    ejectConsecutive: 4,
    ejectMaxPercent: 50,
  })
  const failOnA = (member: Balancer) =>
    member.acquire(new Set([member.registry.get('b-1')])).release('failed')
  failOnA(one)
  failOnA(two)
  const share = registry.get('a-1').share()
  await configure({ ejectConsecutive: 3, ejectBase: 1234, failureDecay: 60_000 })
  assert.ok(Math.abs(registry.get('a-1').share() - share) < 1e-9)
  assert.ok(Math.abs(two.registry.get('a-1').share() - share) < 1e-9)
  failOnA(two)
  await until(() => registry.get('a-1').isEjected, Boolean)
  await settled()
  assert.ok(one.registry.get('a-1').isEjected)
  await configure({ ejectMaxPercent: 0, failureDecay: 0 })
  assert.ok(!one.registry.get('a-1').isEjected)
  assert.equal(one.registry.get('a-1').share(), 1)
  registry.setHealth('a-1', 'unhealthy')
  await configure({ panic: 'unhealthy', panicThreshold: 90 })
  assert.equal(two.registry.eligible.length, 2)
})

test('a worker that starts later begins with the present options, whatever it is given', async (t) => {
  const { control, configure, join } = await twoMembers(t, { queueLimit: 9 })
  await configure({ queueLimit: 4, policy: 'round-robin' })
  const [leaving] = control.workers?.list ?? []
  leaving?.close()
  const { member } = join()
  assert.equal(member.view().queue.limit, 4)
  assert.equal(member.policy, 'round-robin')
})

test('tunnels without traffic weigh by the new option in every member', async (t) => {
  const { one, two, configure } = await twoMembers(t, { tunnelWeight: 0 })
  const tunnel = one.acquire()
  const another = one.acquire(
    new Set([one.registry.list().find((other) => other !== tunnel.backend) as never]),
  )
  for (const lease of [tunnel, another]) lease.switched()
  const load = (member: Balancer) => member.registry.get(tunnel.backend.id).load
  assert.deepEqual([load(one), load(two)], [0, 0])
  await configure({ tunnelWeight: 100 })
  assert.deepEqual([load(one), load(two)], [2, 2])
})

test('a pool that retires waits for the requests of every member', async (t) => {
  const { one, control, clock } = await twoMembers(t)
  const lease = one.acquire()
  let isOver = false
  const retired = control.retire().then(() => {
    isOver = true
  })
  clock.pass(1000)
  await new Promise(setImmediate)
  assert.equal(isOver, false)
  lease.release('ok')
  clock.pass(50)
  await retired
})

test('requests of a member on a backend whose id another one got end at the end of a drain', async (t) => {
  const { one, control, configure, clock } = await twoMembers(t, {
    backends: [{ url: a, id: 'x' }],
    drainTimeout: 1000,
  })
  const lease = one.acquire()
  await configure({ backends: [{ url: b, id: 'x' }] })
  assert.deepEqual([lease.held, control.view().inFlight], [true, 0])
  let isOver = false
  const retired = control.retire(10_000).then(() => {
    isOver = true
  })
  clock.pass(900)
  await new Promise(setImmediate)
  assert.deepEqual([isOver, lease.held], [false, true])
  clock.pass(150)
  await retired
  assert.equal(lease.held, false)
})

test('a pool that retires cuts the requests that members have left in the end', async (t) => {
  const { one, control, clock } = await twoMembers(t)
  const lease = one.acquire()
  const retired = control.retire(500)
  clock.pass(500)
  await retired
  await until(() => !lease.held, Boolean)
})

test('200 configurations while two threads send requests: each is in force when the promise says so, none is lost', async (t) => {
  const control = new Balancer({
    workers: 2,
    backends: [a, b],
    maxConnections: 10,
    queueLimit: 1000,
    slowStart: 0,
  })
  t.after(() => control.close())
  const workers = control.workers as PoolWorkers
  const file = new URL('../../../support/configured-worker.js', import.meta.url)
  const threads = [0, 1].map(() => {
    const place = workers.connect()
    const thread = new Worker(file, { workerData: place.handle, transferList: place.transferList })
    place.follow(thread)
    t.after(() => thread.terminate())
    return thread
  })
  while (!workers.list.every(({ takesPart }) => takesPart))
    await new Promise((resolve) => setTimeout(resolve, 5))
  for (let i = 0; i < 200; i++) {
    control.configure({
      backends: [a, ...(i % 2 ? [b] : []), { url: c, weight: 1 + (i % 5) }],
      queueLimit: 1000 + (i % 3),
      maxConnections: 5 + (i % 7),
      policy: ['least-connections', 'round-robin', 'power-of-two'][i % 3],
      failureDecay: 1000 * (1 + (i % 2)),
    })
    await workers.settled()
    if (i % 50 === 0)
      assert.deepEqual(await workers.ask(async (one) => (await one.explain({})).queue.limit), [
        1000 + (i % 3),
        1000 + (i % 3),
      ])
  }
  const results = threads.map((thread) => once(thread, 'message') as Promise<[ConfiguredWork]>)
  for (const thread of threads) thread.postMessage('over')
  const work = (await Promise.all(results)).map(([one]) => one)
  assert.ok(
    work.every(({ served, refused }) => served > 100 && refused === 0),
    JSON.stringify(work),
  )
  assert.equal(control.registry.inFlight, 0)
  assert.equal(control.view().queue.length, 0)
})
