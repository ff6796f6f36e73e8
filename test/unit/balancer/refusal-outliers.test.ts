import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Balancer } from '../../../src/balancer/balancer.js'
import type { AnswerKind } from '../../../src/balancer/leases/outcome.js'
import type { BalancerOptions } from '../../../src/balancer/options.js'
import { policyNames } from '../../../src/balancer/selection/policies/index.js'
import { TestClock } from '../../support/clock.js'
import { seeded } from '../../support/random.js'

/** How a request is answered: how long it takes, and what the answer is. */
type Work = (id: string) => { time: number; kind?: AnswerKind }

/** A pool under a load of so many requests at a time, or of so many a second. */
class Loaded {
  readonly clock = new TestClock()
  readonly balancer: Balancer
  #running: { ends: number; finish: () => void }[] = []

  constructor(policy: string, backends: BalancerOptions['backends'], options: BalancerOptions = {}) {
    this.balancer = new Balancer({
      policy,
      backends,
      clock: this.clock,
      random: seeded(3),
      slowStart: 0,
      ...options,
    })
  }

  /** So many at a time. */
  run(total: number, concurrency: number, work: Work): Map<string, number> {
    return this.#count(() => {
      for (let i = 0; i < total; i++) {
        if (this.#running.length === concurrency) this.#finish()
        this.#begin(work)
      }
    })
  }

  /** One each `every` milliseconds, whatever becomes of those before. */
  arrive(total: number, every: number, work: Work): Map<string, number> {
    return this.#count(() => {
      for (let i = 0; i < total; i++) {
        const at = this.clock.now() + every
        while (this.#running.some(({ ends }) => ends <= at)) this.#finish()
        this.clock.pass(at - this.clock.now())
        this.#begin(work)
      }
    })
  }

  #begin(work: Work): void {
    const lease = this.balancer.acquire()
    const { time, kind = 'ok' } = work(lease.backend.id)
    const finish = () => {
      lease.answered(this.clock.now(), kind)
      lease.release(kind === 'failed' ? 'failed' : 'ok')
    }
    this.#running.push({ ends: this.clock.now() + time, finish })
  }

  #finish(): void {
    const first = this.#running.reduce((a, b) => (b.ends < a.ends ? b : a))
    this.#running.splice(this.#running.indexOf(first), 1)
    this.clock.pass(Math.max(0, first.ends - this.clock.now()))
    first.finish()
  }

  /** The part of the requests that each got. */
  #count(act: () => void): Map<string, number> {
    const list = () => this.balancer.registry.list()
    const before = new Map(list().map(({ id, leases }) => [id, leases.total]))
    act()
    const got = list().map(({ id, leases }) => [id, leases.total - (before.get(id) ?? 0)] as const)
    const total = got.reduce((sum, [, count]) => sum + count, 0)
    return new Map(got.map(([id, count]) => [id, count / total]))
  }
}

const named = (ids: string, weight: (id: string) => number = () => 1) =>
  [...ids].map((id) => ({ url: `http://${id}:1`, id, weight: weight(id) }))

const refuses =
  (ids: string, part = 1, random = seeded(11)): Work =>
  (id) =>
    ids.includes(id) && random() < part ? { time: 1, kind: 'refused' } : { time: 40 }

const partOf = (shares: Map<string, number>, id: string) => shares.get(id) ?? 0

for (const policy of policyNames) {
  test(`${policy}: one of four backends that refuses at once gets no more than its fair share`, () => {
    for (const concurrency of [4, 20, 100]) {
      const pool = new Loaded(policy, named('abcd'))
      pool.run(2000, concurrency, refuses('c'))
      const shares = pool.run(4000, concurrency, refuses('c'))
      assert.ok(partOf(shares, 'c') <= 0.26, `${partOf(shares, 'c')} with ${concurrency}`)
      assert.ok(partOf(shares, 'c') >= 0.2, 'it is not blamed, and the answer may be right')
    }
  })

  test(`${policy}: fair shares follow the weights, and a backend may refuse only some requests`, () => {
    const pool = new Loaded(
      policy,
      named('abcd', (id) => (id === 'c' ? 2 : 4)),
    )
    pool.run(1000, 30, refuses('c', 0.5))
    const fair = policy === 'round-robin' ? 1 / 4 : 1 / 7
    const got = partOf(pool.run(4000, 30, refuses('c', 0.5)), 'c')
    assert.ok(got <= fair + 0.01, `${got}`)
  })

  test(`${policy}: both of two backends refuse, or two of five`, () => {
    const pair = new Loaded(policy, named('ab'))
    pair.run(1000, 10, refuses('a'))
    const half = partOf(pair.run(2000, 10, refuses('a')), 'a')
    assert.ok(half <= 0.52, `${half} of one of two`)
    const five = new Loaded(policy, named('abcde'))
    five.run(1000, 20, refuses('ad'))
    const shares = five.run(4000, 20, refuses('ad'))
    for (const id of 'ad') assert.ok(partOf(shares, id) <= 0.21, `${partOf(shares, id)} of two of five`)
  })

  test(`${policy}: where all backends refuse alike none is limited`, () => {
    for (const part of [0.05, 0.5, 1]) {
      const random = seeded(5)
      const pool = new Loaded(policy, named('abcd'))
      // By chance one backend refuses a few more, and one is faster than the others.
      pool.run(6000, 20, (id) => ({
        time: id === 'c' ? 1 : 40,
        kind: random() < part ? 'refused' : 'ok',
      }))
      const { tier } = pool.balancer.registry.get('c')
      assert.equal(tier, 0, `${part} of the answers of each`)
    }
  })

  test(`${policy}: a backend that refuses no faster than the others answer keeps its share`, () => {
    const random = seeded(8)
    const pool = new Loaded(policy, named('abcd'))
    const work: Work = (id) => ({ time: 20 + 40 * random(), kind: id === 'c' ? 'refused' : 'ok' })
    pool.run(1000, 20, work)
    const got = partOf(pool.run(6000, 20, work), 'c')
    assert.ok(got >= 0.21 && got <= 0.26, `${got}`)
  })

  test(`${policy}: a backend that no longer refuses has no limit any more`, () => {
    const pool = new Loaded(policy, named('abcd'))
    pool.run(2000, 20, refuses('c'))
    const { registry } = pool.balancer
    assert.ok(registry.get('c').tier > 0)
    pool.arrive(4000, 10, () => ({ time: 20 }))
    assert.equal(registry.get('c').tier, 0)
    // An operator can end the limit at once.
    pool.run(2000, 20, refuses('c'))
    registry.drain('c')
    registry.activate('c')
    assert.equal(registry.get('c').tier, 0)
    pool.balancer.close()
    assert.equal(pool.clock.pending, 0)
  })

  test(`${policy}: a few refusals are not enough`, () => {
    const pool = new Loaded(policy, named('abcd'))
    pool.arrive(60, 1000, refuses('c'))
    assert.equal(pool.balancer.registry.get('c').tier, 0)
  })
}

test('an explanation tells the reason, and the backend is used where a request cannot wait', () => {
  const pool = new Loaded('least-connections', named('ab'), { maxConnections: 10 })
  pool.run(500, 6, refuses('a'))
  const { balancer } = pool
  // Six requests are in flight already.
  const leases = Array.from({ length: 14 }, () => balancer.acquire())
  for (const lease of leases) if (lease.backend.id === 'a') lease.release('cancelled')
  while (balancer.registry.get('a').tier === 1) balancer.acquire().release('cancelled')
  const explained = balancer.explain()
  const reason = explained.backends.find(({ id }) => id === 'a')?.reason
  assert.equal(
    reason,
    'rests: may have no more than its share as it refuses far more requests than the others, and has had it',
  )
  assert.equal(explained.outcome, 'queue')
  assert.equal(balancer.explain({ waits: false }).backend, 'a')
  assert.equal(balancer.acquire().backend.id, 'a')
  balancer.close()
})

for (const policy of policyNames) {
  test(`${policy}: where all other backends are full for long, requests do not wait for them`, async () => {
    const pool = new Loaded(policy, named('ab'), { maxConnections: 30 })
    pool.run(500, 6, refuses('a', 0.5))
    const { balancer, clock } = pool
    const { registry } = balancer
    assert.ok(registry.get('a').tier > 0)
    // As with streams that take hours.
    const b = registry.get('b')
    const others = new Set(registry.list().filter((backend) => backend !== b))
    while (!b.isFull) balancer.acquire(others)
    let longest = 0
    for (let i = 0; i < 100; i++) {
      const since = clock.now()
      balancer.lease({
        onLease(lease) {
          longest = Math.max(longest, clock.now() - since)
          lease.answered(clock.now(), i % 2 ? 'refused' : 'ok')
          lease.release('ok')
        },
        onReject: assert.fail,
      })
      clock.pass(50)
      await new Promise(setImmediate)
    }
    assert.equal(balancer.view().queue.length, 0)
    assert.ok(longest <= 1200, `one waited for ${longest} ms`)
    balancer.close()
  })
}

test('it still works when its weights would have overflowed', () => {
  const pool = new Loaded('least-connections', named('abcd'))
  pool.run(2000, 20, refuses('c'))
  pool.clock.pass(86_400_000)
  pool.run(2000, 20, refuses('d'))
  const { registry } = pool.balancer
  assert.deepEqual(
    registry.list().map(({ tier }) => tier > 0),
    [false, false, false, true],
  )
  pool.balancer.close()
})
