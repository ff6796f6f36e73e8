import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../../src/balancer/balancer.js'
import type { BalancerOptions } from '../../../src/balancer/options.js'
import { TestClock } from '../../support/clock.js'

type Condition = 'healthy' | 'ejected' | 'answering' | 'refusing' | 'draining'

/** The backends that are eligible in a pool under these conditions. */
function eligible(conditions: Condition[], options: BalancerOptions): { ids: string[]; panic: boolean } {
  const clock = new TestClock()
  const backends = conditions.map((_, i) => ({ url: `http://b${i}:1`, id: `${i}` }))
  const { registry } = new Balancer({ clock, backends, ...options })
  for (const [i, condition] of conditions.entries()) {
    const backend = registry.get(`${i}`)
    const result = { at: clock.date(), passed: false, answered: condition === 'answering', detail: '' }
    if (condition === 'ejected') registry.eject(backend, 1000)
    if (condition === 'draining') registry.drain(`${i}`)
    if (condition === 'answering' || condition === 'refusing') registry.setHealth(`${i}`, 'unhealthy', result)
  }
  return { ids: registry.eligible.map(({ id }) => id), panic: registry.panicking }
}

const cases: [Condition[], BalancerOptions, string, boolean][] = [
  [['healthy', 'ejected', 'refusing'], {}, '0', false],
  [['ejected', 'ejected', 'refusing', 'answering', 'draining'], {}, '01', true],
  [['ejected', 'refusing'], { panic: 'off' }, '', false],
  [['refusing', 'answering'], {}, '', false],
  [['refusing', 'answering', 'ejected'], { panic: 'unhealthy' }, '12', true],
  [['refusing', 'refusing', 'draining'], { panic: 'unhealthy' }, '01', true],
  [['refusing', 'healthy'], { panic: 'unhealthy' }, '1', false],
  [['draining'], { panic: 'unhealthy' }, '', false],
  [[], { panic: 'unhealthy' }, '', false],
  // A third is usable.
  [['healthy', 'ejected', 'answering'], { panicThreshold: 33 }, '0', false],
  [['healthy', 'ejected', 'answering'], { panicThreshold: 34 }, '01', true],
  [['healthy', 'ejected', 'answering'], { panicThreshold: 34, panic: 'unhealthy' }, '012', true],
  [['healthy', 'refusing', 'refusing'], { panicThreshold: 50, panic: 'unhealthy' }, '0', false],
  [['healthy', 'draining', 'draining'], { panicThreshold: 100 }, '0', false],
]
for (const [conditions, options, ids, panic] of cases) {
  test(`${conditions.join(', ') || 'none'} with ${JSON.stringify(options)}: ${ids || 'none'}`, () => {
    assert.deepEqual(eligible(conditions, options), { ids: [...ids], panic })
  })
}

test('in panic a backend that answers its checks, however badly, goes before one that does not', () => {
  const { registry } = new Balancer({
    panic: 'unhealthy',
    backends: [
      { url: 'http://a:1', id: 'a' },
      { url: 'http://b:1', id: 'b' },
    ],
  })
  const failed = (answered: boolean) => ({ at: new Date(), passed: false, answered, detail: '' })
  registry.setHealth('a', 'unhealthy', failed(false))
  registry.setHealth('b', 'unhealthy', failed(false))
  assert.equal(registry.eligible.length, 2)
  registry.setHealth('b', 'unhealthy', failed(true))
  assert.deepEqual(
    registry.eligible.map(({ id }) => id),
    ['b'],
  )
})

test('begin and end of panic are events', () => {
  const { registry } = new Balancer({ backends: [{ url: 'http://a:1', id: 'a' }] })
  const told: boolean[] = []
  registry.on('panic', (panic) => told.push(panic))
  registry.eject(registry.get('a'), 1000)
  registry.add({ url: 'http://b:1' })
  assert.deepEqual(told, [true, false])
})
