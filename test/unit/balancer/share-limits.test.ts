import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Backend } from '../../../src/balancer/backends/backend.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import { FailurePenalty } from '../../../src/balancer/health/failure-penalty.js'
import { SlowStart } from '../../../src/balancer/health/slow-start.js'
import type { Lease } from '../../../src/balancer/leases/lease.js'
import type { Outcome } from '../../../src/balancer/leases/outcome.js'
import type { BalancerOptions } from '../../../src/balancer/options.js'
import { policyNames } from '../../../src/balancer/selection/policies/index.js'
import { TestClock } from '../../support/clock.js'
import { seeded } from '../../support/random.js'

const SLOW_START_MS = 10_000

function pool(policy: string, count: number, options: BalancerOptions = {}) {
  const clock = new TestClock()
  const backends = Array.from({ length: count }, (_, i) => ({ url: `http://b${i}:1`, id: `b${i}` }))
  const balancer = new Balancer({
    policy,
    clock,
    backends,
    slowStart: SLOW_START_MS,
    ejectMaxPercent: 0,
    random: seeded(1),
    ...options,
  })
  const { registry } = balancer
  const totals = () => registry.list().map(({ leases }) => leases.total)
  return { clock, balancer, registry, totals }
}

/** Sends requests, `concurrency` at a time, each of which takes as long as `work` says. Returns those that failed. */
function send(
  { clock, balancer }: ReturnType<typeof pool>,
  total: number,
  concurrency: number,
  work: (lease: Lease) => { time: number; outcome?: Outcome },
): number {
  const running: { lease: Lease; ends: number; outcome: Outcome }[] = []
  let lost = 0
  const finish = () => {
    const first = running.reduce((a, b) => (b.ends < a.ends ? b : a))
    running.splice(running.indexOf(first), 1)
    clock.pass(first.ends - clock.now())
    first.lease.release(first.outcome)
    if (first.outcome === 'failed') lost++
  }
  for (let i = 0; i < total; i++) {
    if (running.length === concurrency) finish()
    const lease = balancer.acquire()
    const { time, outcome = 'ok' } = work(lease)
    running.push({ lease, ends: clock.now() + time, outcome })
  }
  while (running.length > 0) finish()
  return lost
}

for (const policy of policyNames) {
  for (const others of [1, 3]) {
    for (const how of ['registered', 'activated', 'well again', 'back from ejection'] as const) {
      test(`${policy}: one of ${others + 1} that is ${how} stays under its slow start share, however idle it is`, () => {
        const made = pool(policy, others, { ejectMaxPercent: 100, ejectConsecutive: 1 })
        const { clock, balancer, registry } = made
        const joined = registry.add({ url: 'http://new:1', id: 'new' })
        clock.pass(SLOW_START_MS)
        if (how === 'activated') registry.drain('new')
        if (how === 'well again') registry.setHealth('new', 'unhealthy')
        if (how === 'back from ejection') {
          balancer.acquire(new Set(registry.list().filter((one) => one !== joined))).release('failed')
          clock.pass(SLOW_START_MS)
        }
        // By then the slow start of the other backends is over.
        send(made, 100, 1, () => ({ time: 1 }))
        if (how === 'registered') {
          registry.remove('new')
          registry.add({ url: 'http://new:1', id: 'new' })
        }
        if (how === 'activated') registry.activate('new')
        if (how === 'well again') registry.setHealth('new', 'healthy')
        if (how === 'back from ejection') registry.activate('new')
        const backend = registry.get('new')
        const began = clock.now()
        const before = backend.leases.total
        let sent = 0
        let fair = 0
        while (clock.now() - began < SLOW_START_MS) {
          // The others are busy, the new one is always idle.
          send(made, 30, 10, ({ backend: { id } }) => ({ time: id === 'new' ? 0.1 : 30 }))
          const factor = Math.min(1, (clock.now() - began) / SLOW_START_MS)
          sent += 30
          fair += (30 * factor) / (others + 1)
          const got = backend.leases.total - before
          if (backend.view().share < 1) assert.ok(got <= 2 + fair * 1.05, `${got} of ${sent} at ${factor}`)
        }
        const got = backend.leases.total - before
        assert.ok(got >= 0.8 * fair, `${got} where ${fair} were allowed`)
        assert.equal(backend.view().share, 1)
      })
    }
  }

  test(`${policy}: at a low rate a new backend gets its first requests as well`, () => {
    const made = pool(policy, 3)
    made.registry.add({ url: 'http://new:1', id: 'new' })
    for (let second = 0; second < 10; second++) {
      send(made, 1, 1, () => ({ time: 1 }))
      made.clock.pass(999)
    }
    const got = made.registry.get('new').leases.total
    assert.ok(got >= 1 && got <= 3, `${got}`)
  })

  test(`${policy}: there is no slow start at the start of a pool, nor where all backends are new`, () => {
    const started = pool(policy, 3)
    send(started, 300, 1, () => ({ time: 1 }))
    assert.deepEqual(started.totals(), [100, 100, 100])
    const registered = pool(policy, 0)
    for (const id of ['a', 'b', 'c']) registered.registry.add({ url: `http://${id}:1`, id })
    send(registered, 300, 1, () => ({ time: 1 }))
    assert.deepEqual(registered.totals(), [100, 100, 100])
  })

  test(`${policy}: a backend that fails at once does not draw requests to itself, with ejection or without`, () => {
    for (const ejectMaxPercent of [0, 50]) {
      const made = pool(policy, 4, { ejectMaxPercent })
      send(made, 400, 20, () => ({ time: 10 }))
      const lost = send(made, 2000, 20, ({ backend: { id } }) =>
        id === 'b2' ? { time: 0.2, outcome: 'failed' } : { time: 10 },
      )
      assert.ok(lost <= 10, `${lost} of 2,000 lost`)
    }
  })

  test(`${policy}: a backend that keeps failing at once gets less than one request a second, however slow the others are`, () => {
    for (const time of [10, 100, 1000]) {
      const made = pool(policy, 4)
      send(made, 400, 20, () => ({ time }))
      const began = made.clock.now()
      const lost = send(made, 2000, 20, ({ backend: { id } }) =>
        id === 'b2' ? { time: 0.2, outcome: 'failed' } : { time },
      )
      const seconds = (made.clock.now() - began) / 1000
      assert.ok(lost <= 8 + seconds, `${lost} of 2,000 lost in ${seconds} s`)
    }
  })

  test(`${policy}: a backend that fails every other request loses most of its share`, () => {
    const made = pool(policy, 4)
    const random = seeded(3)
    const lost = send(made, 4000, 20, ({ backend: { id } }) =>
      id === 'b2' && random() < 0.5 ? { time: 0.2, outcome: 'failed' } : { time: 10 },
    )
    assert.ok(lost <= 60, `${lost} of 4,000 lost, where a fair share would be 500`)
  })

  test(`${policy}: a backend that recovers soon has its share again`, () => {
    const made = pool(policy, 4)
    send(made, 200, 20, ({ backend: { id } }) =>
      id === 'b2' ? { time: 0.2, outcome: 'failed' } : { time: 10 },
    )
    made.clock.pass(20_000)
    const before = made.totals()[2] as number
    send(made, 1000, 20, () => ({ time: 10 }))
    const got = (made.totals()[2] as number) - before
    assert.ok(got >= 200, `${got} of 1,000`)
  })

  test(`${policy}: where all backends fail alike, requests are spread as before`, () => {
    const random = seeded(4)
    for (const [share, tolerance] of [
      [0.01, 200],
      [0.3, 900],
      [1, 100],
    ] as const) {
      const made = pool(policy, 3)
      send(made, 9000, 6, () => ({ time: 5, outcome: random() < share ? 'failed' : 'ok' }))
      for (const total of made.totals()) {
        assert.ok(Math.abs(total - 3000) <= tolerance, `${made.totals()} at ${share}`)
      }
    }
  })

  test(`${policy}: after a failure of all backends none is given everything`, () => {
    const made = pool(policy, 20)
    send(made, 2000, 20, () => ({ time: 20, outcome: 'failed' }))
    const before = made.totals()
    send(made, 2000, 20, () => ({ time: 20 }))
    const got = made.totals().map((total, i) => total - (before[i] as number))
    assert.ok(Math.max(...got) <= 200 && Math.min(...got) >= 50, `${got}`)
  })

  test(`${policy}: a failure costs no more where most backends are new`, () => {
    const made = pool(policy, 4)
    for (let i = 0; i < 16; i++) made.registry.add({ url: `http://new${i}:1` })
    made.clock.pass(1)
    made.balancer.acquire(new Set(made.registry.list().slice(1))).release('failed')
    send(made, 100, 4, () => ({ time: 1 }))
    const [first = 0, second = 0] = made.totals()
    assert.ok(first >= 8 && first < second, `${first} and ${second}`)
  })

  test(`${policy}: fair shares follow the weights`, () => {
    const made = pool(policy, 1)
    made.registry.update('b0', { weight: 1000 })
    made.registry.add({ url: 'http://new:1', id: 'new' })
    made.clock.pass(SLOW_START_MS / 2)
    send(made, 100, 1, () => ({ time: 0.001 }))
    const got = made.registry.get('new').leases.total
    assert.ok(policy === 'round-robin' ? got >= 20 : got <= 2, `${got}`)
  })

  test(`${policy}: a failure takes the saved credit away`, () => {
    const made = pool(policy, 2)
    const { balancer, registry } = made
    const joined = registry.add({ url: 'http://new:1', id: 'new' })
    const others = new Set(registry.list().filter((backend) => backend !== joined))
    balancer.acquire(others).release('cancelled')
    made.clock.pass(SLOW_START_MS)
    send(made, 100, 1, () => ({ time: 0.001 }))
    balancer.acquire(others).release('failed')
    const before = joined.leases.total
    send(made, 5, 1, () => ({ time: 0.001 }))
    assert.equal(joined.leases.total, before)
  })

  test(`${policy}: a backend that has used its share is better than none`, () => {
    const { balancer, registry } = pool(policy, 1)
    registry.add({ url: 'http://new:1', id: 'new' })
    registry.update('b0', { maxConnections: 1 })
    const leases = Array.from({ length: 5 }, () => balancer.acquire().backend.id)
    assert.deepEqual(leases.sort(), ['b0', 'new', 'new', 'new', 'new'])
  })
}

test('the view of a backend shows its share', () => {
  const { clock, balancer, registry } = pool('least-connections', 2)
  const joined = registry.add({ url: 'http://new:1', id: 'new' })
  assert.equal(joined.view().share, 0)
  clock.pass(SLOW_START_MS / 4)
  assert.equal(joined.view().share, 0.25)
  clock.pass(SLOW_START_MS)
  assert.equal(joined.view().share, 1)
  balancer.acquire().release('failed')
  const [failed] = registry.list().filter(({ leases }) => leases.failed > 0)
  assert.equal(failed?.view().share, 0.422)
})

for (const policy of policyNames) {
  test(`${policy}: a choice measures a few backends, however many have joined`, () => {
    for (const [old, joining] of [
      [0, 1000],
      [10, 1000],
    ] as const) {
      const made = pool(policy, old)
      for (let i = 0; i < joining; i++) made.registry.add({ url: `http://new${i}:1` })
      made.clock.pass(SLOW_START_MS / 10)
      made.balancer.acquire().release('ok')
      const watched = watchLooks()
      try {
        for (let i = 0; i < 1000; i++) made.balancer.acquire().release('ok')
      } finally {
        watched.end()
      }
      const each = watched.count / 1000
      assert.ok(each <= 40, `${each} looks for each request, ${old} old and ${joining} joining backends`)
      made.balancer.close()
    }
  })
}

/** Counts how often the share, tier or load of a backend is read. */
function watchLooks(): { readonly count: number; end(): void } {
  let count = 0
  const looks: [object, string][] = [
    [SlowStart.prototype, 'factorOf'],
    [FailurePenalty.prototype, 'factorOf'],
    [Backend.prototype, 'takes'],
    [Backend.prototype, 'load'],
    [Backend.prototype, 'isFull'],
  ]
  const before = looks.map(
    ([prototype, name]) => Object.getOwnPropertyDescriptor(prototype, name) as PropertyDescriptor,
  )
  for (const [i, [prototype, name]] of looks.entries()) {
    const descriptor = before[i] as PropertyDescriptor
    const kind = descriptor.get ? 'get' : 'value'
    const original = descriptor[kind]
    Object.defineProperty(prototype, name, {
      ...descriptor,
      [kind](this: unknown, ...args: unknown[]) {
        count++
        return original.apply(this, args)
      },
    })
  }
  return {
    get count() {
      return count
    },
    end() {
      for (const [i, [prototype, name]] of looks.entries())
        Object.defineProperty(prototype, name, before[i] as PropertyDescriptor)
    },
  }
}

test('failures in half of a large pool do not measure all of it for each request', () => {
  const made = pool('round-robin', 1000)
  const random = seeded(6)
  const isBad = ({ backend }: Lease) => Number(backend.id.slice(1)) % 2 === 0
  const work = (lease: Lease) =>
    ({ time: 0.01, outcome: isBad(lease) && random() < 0.9 ? 'failed' : 'ok' }) as const
  send(made, 5000, 10, work)
  const watched = watchLooks()
  try {
    send(made, 5000, 10, work)
  } finally {
    watched.end()
  }
  assert.ok(watched.count / 5000 <= 60, `${watched.count / 5000} looks for each request`)
  made.balancer.close()
})
