import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../../src/balancer/balancer.js'
import { Checks } from '../../../src/balancer/health/checks.js'
import { TestClock } from '../../support/clock.js'

/** Checks whose results the test gives. */
function checked(urls: string[], random = () => 0.5) {
  const clock = new TestClock()
  const balancer = new Balancer({ clock, backends: urls, slowStart: 0 })
  const { registry } = balancer
  const pending = new Map<string, (passed: boolean) => void>()
  const begun: string[] = []
  const checks = new Checks(
    registry,
    (backend, done) => {
      assert.ok(!pending.has(backend.id), 'no check overlaps another of the same backend')
      begun.push(`${backend.id} ${clock.now()}`)
      pending.set(backend.id, (passed) => {
        pending.delete(backend.id)
        done({ at: clock.date(), passed, answered: true, detail: passed ? 'status 200' : 'status 500' })
      })
      return () => pending.delete(backend.id)
    },
    { interval: 1000, rise: 2, fall: 3 },
    clock,
    random,
  )
  return { clock, registry, checks, pending, begun }
}

test('the first result decides, then it takes rise or fall in a row', () => {
  const { clock, registry, checks, pending } = checked(['http://a:1', 'http://b:1'])
  checks.start()
  clock.pass(200)
  const health = () => registry.list().map((backend) => backend.health)
  const results = (a: boolean, b: boolean) => {
    pending.get('a-1')?.(a)
    pending.get('b-1')?.(b)
    clock.pass(1000)
    return health().join(' ')
  }
  assert.deepEqual(health(), ['unknown', 'unknown'])
  assert.deepEqual(
    [
      results(true, false),
      results(false, true),
      results(false, false),
      results(true, true),
      results(false, true),
      results(false, false),
      results(false, true),
    ],
    [
      'healthy unhealthy',
      'healthy unhealthy',
      'healthy unhealthy',
      'healthy unhealthy',
      'healthy healthy',
      'healthy healthy',
      'unhealthy healthy',
    ],
  )
  assert.deepEqual(registry.get('a-1').view().lastCheck, {
    at: registry.get('a-1').lastCheck?.at.toISOString(),
    passed: false,
    detail: 'status 500',
  })
})

test('checks start one interval apart; a slow one is followed at once, and two never run side by side', () => {
  const { clock, checks, pending, begun } = checked(['http://a:1'])
  checks.start()
  clock.pass(50)
  clock.pass(300)
  pending.get('a-1')?.(true)
  clock.pass(699)
  assert.deepEqual(begun, ['a-1 50'])
  clock.pass(1)
  assert.deepEqual(begun, ['a-1 50', 'a-1 1050'])
  clock.pass(5000)
  assert.equal(begun.length, 2)
  pending.get('a-1')?.(true)
  clock.pass(0)
  assert.deepEqual(begun, ['a-1 50', 'a-1 1050', 'a-1 6050'])
})

test('jitter moves each check by up to a tenth of the interval', () => {
  for (const [random, first, second] of [
    [0, 0, 900],
    [0.999999, 99.9999, 99.9999 + 1099.9998],
  ] as const) {
    const { clock, checks, pending, begun } = checked(['http://a:1'], () => random)
    checks.start()
    clock.pass(100)
    pending.get('a-1')?.(true)
    clock.pass(1200)
    const times = begun.map((line) => Number(line.split(' ')[1]))
    assert.ok(Math.abs((times[0] as number) - first) < 0.01 && Math.abs((times[1] as number) - second) < 0.01)
  }
})

test('a backend that joins is checked, one that leaves is not, and stop ends all checks', () => {
  const { clock, registry, checks, pending } = checked(['http://a:1'])
  checks.start()
  clock.pass(50)
  registry.add({ url: 'http://b:1' })
  assert.equal(registry.get('b-1').health, 'unknown')
  clock.pass(50)
  assert.deepEqual([...pending.keys()], ['a-1', 'b-1'])
  registry.remove('a-1')
  assert.deepEqual([...pending.keys()], ['b-1'])
  pending.get('b-1')?.(true)
  assert.equal(clock.pending, 1)
  checks.stop()
  registry.add({ url: 'http://c:1' })
  assert.equal(clock.pending, 0)
})

test('a listener that removes the backend during a check leaves no timer', () => {
  const { clock, registry, checks, pending } = checked(['http://a:1'])
  registry.on('health', ({ id }) => registry.remove(id))
  checks.start()
  clock.pass(50)
  pending.get('a-1')?.(false)
  assert.deepEqual([registry.size, clock.pending], [0, 0])
})

test('draining backends are checked as well, so that their health is known when they are activated', () => {
  const { clock, registry, checks, pending } = checked(['http://a:1', 'http://b:1'])
  checks.start()
  registry.drain('a-1')
  clock.pass(50)
  pending.get('a-1')?.(false)
  assert.equal(registry.get('a-1').health, 'unhealthy')
  registry.activate('a-1')
  assert.deepEqual(
    registry.eligible.map(({ id }) => id),
    ['b-1'],
  )
})
