import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../../src/balancer/balancer.js'
import { BUDGET_WINDOW_MS, Budget, hedgeAllowance } from '../../../src/balancer/resilience/budget.js'
import { type HedgeAfter, Hedging } from '../../../src/balancer/resilience/hedging.js'
import { SlidingCount } from '../../../src/balancer/stats/sliding-count.js'
import { TestClock } from '../../support/clock.js'

function hedging(after: HedgeAfter, percent = 100, sent = 100) {
  const clock = new TestClock()
  const requests = new SlidingCount(BUDGET_WINDOW_MS, clock)
  for (let i = 0; i < sent; i++) requests.add()
  return {
    clock,
    requests,
    hedging: new Hedging(
      after,
      new Budget(hedgeAllowance(percent), requests, new SlidingCount(BUDGET_WINDOW_MS, clock)),
      clock,
    ),
  }
}

test('a request that is not answered in time is hedged once, each at its own time', () => {
  const { clock, hedging: one } = hedging(100)
  const late: string[] = []
  one.expect(() => late.push('a') > 0)
  clock.pass(40)
  const b = one.expect(() => late.push('b') > 0)
  one.expect(() => late.push('c') > 0)
  clock.pass(59)
  assert.deepEqual(late, [])
  clock.pass(1)
  assert.deepEqual(late, ['a'])
  b?.answered()
  clock.pass(40)
  assert.deepEqual(late, ['a', 'c'])
  clock.pass(1000)
  assert.deepEqual(late, ['a', 'c'])
  assert.equal(clock.pending, 0)
})

test('off: there is no hedging', () => {
  const { hedging: none } = hedging('off')
  assert.equal(
    none.expect(() => assert.fail('late')),
    undefined,
  )
  assert.equal(none.delay, undefined)
})

test('p95 is known after some responses, and follows them', () => {
  const { clock, hedging: one } = hedging('p95')
  const answer = (time: number) => {
    const wait = one.expect(() => false)
    clock.pass(time)
    wait?.answered()
  }
  for (let i = 0; i < 19; i++) answer(10)
  assert.equal(one.delay, undefined)
  answer(10)
  assert.equal(one.delay, 10)
  for (let i = 0; i < 100; i++) answer(i % 10 === 0 ? 300 : 20)
  assert.equal(one.delay, 300)
  for (let i = 0; i < 1024; i++) answer(0)
  assert.equal(one.delay, 1, 'no timer takes less')
})

test('a delay that became shorter applies to later requests', () => {
  const { clock, hedging: one } = hedging('p95')
  const waits = Array.from({ length: 20 }, () => one.expect(() => true))
  clock.pass(500)
  for (const wait of waits) wait?.answered()
  const late: string[] = []
  one.expect(() => late.push('long') > 0)
  const more = Array.from({ length: 1024 }, () => one.expect(() => late.push('more') > 0))
  clock.pass(10)
  for (const wait of more) wait?.answered()
  one.expect(() => late.push('short') > 0)
  clock.pass(11)
  assert.deepEqual(late, ['short'])
  clock.pass(500)
  assert.deepEqual(late, ['short', 'long'])
})

test('no more hedges than the budget; a request without one is looked at again', () => {
  const { clock, requests, hedging: one } = hedging(50, 10, 30)
  let late = 0
  const waits = Array.from({ length: 10 }, () => one.expect(() => ++late > 0))
  clock.pass(50)
  assert.equal(late, 3)
  for (let i = 0; i < 10; i++) requests.add()
  clock.pass(50)
  assert.equal(late, 4)
  for (const wait of waits) wait?.answered()
  assert.equal(clock.pending, 1)
  clock.pass(50)
  assert.equal(clock.pending, 0)
})

test('where no backend can take a hedge, nothing is spent, and the request is looked at again', () => {
  const { clock, hedging: one } = hedging(50, 1)
  const looks: number[] = []
  one.expect(() => looks.push(clock.now()) === 3)
  clock.pass(1000)
  assert.deepEqual(looks, [50, 63, 79])
})

test('p95: half of the budget is kept for requests that take longer still', () => {
  const { clock, requests, hedging: one } = hedging('p95', 8, 0)
  for (let i = 0; i < 100; i++) {
    requests.add()
    const wait = one.expect(() => false)
    clock.pass(10)
    wait?.answered()
  }
  let late = 0
  for (let i = 0; i < 50; i++) one.expect(() => ++late > 0)
  clock.pass(10)
  assert.equal(late, 4)
  clock.pass(5)
  assert.equal(late, 8)
})

test('closing leaves no timer', () => {
  const { clock, hedging: one } = hedging(100)
  one.expect(() => assert.fail('late'))
  one.close()
  assert.equal(clock.pending, 0)
  clock.pass(1000)
})

test('a request that waits for long is looked at less and less often', () => {
  const { clock, hedging: one } = hedging(10)
  let looks = 0
  one.expect(() => ++looks < 0)
  clock.pass(10_000)
  assert.ok(looks > 10 && looks < 60, `${looks}`)
})

test('a hedge goes to no backend that is unhealthy, full, in slow start or has a penalty', () => {
  const clock = new TestClock()
  const backends = ['a', 'b', 'c'].map((id) => ({ url: `http://${id}:1`, id }))
  const balancer = new Balancer({
    clock,
    backends,
    panic: 'unhealthy',
    panicThreshold: 100,
    random: () => 0.5,
  })
  const { registry } = balancer
  const none = new Set([registry.get('a')])
  registry.setHealth('b', 'unhealthy')
  assert.ok(registry.panicking)
  for (let i = 0; i < 20; i++) {
    const lease = balancer.leaseForHedge(none)
    assert.equal(lease?.backend.id, 'c')
    lease?.release('ok')
  }
  registry.drain('c')
  registry.setHealth('b', 'healthy')
  assert.ok(registry.get('b').view().share < 1)
  assert.equal(balancer.leaseForHedge(none), undefined)
  clock.pass(20_000)
  assert.equal(balancer.leaseForHedge(none)?.backend.id, 'b')
  registry.update('b', { maxConnections: 1 })
  assert.equal(balancer.leaseForHedge(none), undefined)
  balancer.close()
})

test('a hedge does not go to a backend whose name has no address', () => {
  const balancer = new Balancer({
    backends: ['http://a.example', 'http://b.example'],
    clock: new TestClock(),
  })
  const { registry } = balancer
  for (const backend of registry.list()) registry.setUnresolved(backend, 'ENOTFOUND')
  const { backend } = balancer.acquire()
  assert.equal(balancer.leaseForHedge(new Set([backend])), undefined)
  balancer.close()
})

test('a request may be hedged at another time than the pool says', () => {
  const { clock, hedging: one } = hedging(100)
  const late: string[] = []
  one.expect(() => late.push('early') > 0, 20)
  one.expect(() => late.push('usual') > 0)
  one.expect(() => late.push('later') > 0, 300)
  assert.equal(
    one.expect(() => assert.fail('hedged'), 'off'),
    undefined,
  )
  clock.pass(20)
  assert.deepEqual(late, ['early'])
  clock.pass(80)
  assert.deepEqual(late, ['early', 'usual'])
  // Another time of the pool says nothing about it.
  one.configure('off', hedgeAllowance(100))
  clock.pass(199)
  assert.deepEqual(late, ['early', 'usual'])
  clock.pass(1)
  assert.deepEqual(late, ['early', 'usual', 'later'])
  assert.equal(clock.pending, 0)
})

test('p95 of a request of its own: the response times of such requests count, in a pool without hedging, too', () => {
  const { clock, hedging: one } = hedging('off')
  for (let i = 0; i < 20; i++) {
    assert.equal(
      one.expect(() => false),
      undefined,
    )
    const wait = one.expect(() => false, 'p95')
    clock.pass(10)
    wait?.answered()
  }
  const late: string[] = []
  one.expect(() => late.push('a') > 0, 'p95')
  clock.pass(9)
  assert.deepEqual(late, [])
  clock.pass(5)
  assert.deepEqual(late, ['a'])
  assert.equal(one.delay, undefined)
})
