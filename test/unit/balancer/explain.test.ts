import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Backend } from '../../../src/balancer/backends/backend.js'
import { Balancer } from '../../../src/balancer/balancer.js'
import type { BalancerError } from '../../../src/balancer/errors.js'
import type { Explanation } from '../../../src/balancer/explain/explanation.js'
import type { Lease } from '../../../src/balancer/leases/lease.js'
import type { KeyTraits } from '../../../src/balancer/leases/lease-request.js'
import type { Outcome } from '../../../src/balancer/leases/outcome.js'
import { homeCodeOf } from '../../../src/balancer/selection/affinity/key-hash.js'
import { policyNames } from '../../../src/balancer/selection/policies/index.js'
import { TestClock } from '../../support/clock.js'
import { seeded } from '../../support/random.js'

/** One thing that happens to a pool; it can be repeated on another pool. */
type Step =
  | {
      do: 'acquire' | 'wait' | 'spare'
      not: number | null
      repeatable: boolean
      upgrade?: boolean
      key?: number | null
      pinned?: boolean
    }
  | { do: 'release'; which: number; outcome: Outcome; answered: boolean }
  | { do: 'add' | 'drain' | 'activate' | 'remove' | 'overtake'; which: number }
  | { do: 'limit' | 'weight'; which: number; to: number }
  | { do: 'health'; which: number; verdict: 'healthy' | 'unhealthy' | 'unknown' }
  | { do: 'pass'; time: number }
  | { do: 'switch'; policy: string }

const which = fc.nat(9)
const demand = {
  not: fc.option(which),
  repeatable: fc.boolean(),
  upgrade: fc.boolean(),
  // Few keys, so that some are busy.
  key: fc.option(fc.nat(3)),
  pinned: fc.boolean(),
}
const outcome = fc.constantFrom('ok' as const, 'failed' as const, 'failed' as const, 'cancelled' as const)
const verdict = fc.constantFrom('healthy' as const, 'unhealthy' as const, 'unknown' as const)
const is = <T extends string>(name: T) => fc.constant(name)

const steps: [number, fc.Arbitrary<Step>][] = [
  [8, fc.record({ do: is('acquire'), ...demand })],
  [3, fc.record({ do: is('wait'), ...demand })],
  [1, fc.record({ do: is('spare'), ...demand })],
  [7, fc.record({ do: is('release'), which, outcome, answered: fc.boolean() })],
  [2, fc.record({ do: fc.constantFrom('add', 'drain', 'activate', 'remove', 'overtake'), which })],
  [1, fc.record({ do: is('limit'), which, to: fc.nat(3) })],
  [1, fc.record({ do: is('weight'), which, to: fc.integer({ min: 1, max: 4 }) })],
  [1, fc.record({ do: is('health'), which, verdict })],
  [3, fc.record({ do: is('pass'), time: fc.nat(4000) })],
  [1, fc.record({ do: is('switch'), policy: fc.constantFrom(...policyNames) })],
]
const history = fc.array(fc.oneof(...steps.map(([weight, arbitrary]) => ({ weight, arbitrary }))), {
  minLength: 20,
  maxLength: 120,
})

/** A pool, and what happened to it. */
class Pool {
  readonly clock = new TestClock()
  readonly balancer: Balancer
  readonly #held: Lease[] = []
  #added = 0

  constructor(policy: string, size: number, random: () => number, affinity = 'off') {
    this.balancer = new Balancer({
      policy,
      affinity,
      backends: Array.from({ length: size }, (_, i) => ({
        url: `http://b${i}:1`,
        id: `b${i}`,
        weight: 1 + (i % 3),
      })),
      clock: this.clock,
      random,
      ejectConsecutive: 2,
      ejectBase: 1000,
      ejectMax: 3000,
      queueLimit: 3,
      queueTimeout: 2000,
      slowStart: 3000,
      drainTimeout: 1500,
      maxConnections: affinity === 'off' ? 3 : 20,
    })
  }

  /** Returns the key that a step has. */
  keyOf(step: Step): KeyTraits {
    const { key = null, pinned } = step as { key?: number | null; pinned?: boolean }
    return key === null ? {} : { key: `key ${key}`, home: key === 3 ? homeCodeOf('b1') : undefined, pinned }
  }

  backend(i: number | null): Backend | undefined {
    const all = this.balancer.registry.list()
    return i === null ? undefined : all[i % Math.max(1, all.length)]
  }

  except(i: number | null): Set<Backend> | undefined {
    const backend = this.backend(i)
    return backend && new Set([backend])
  }

  /** Returns what a request got at once: a lease, an error, or nothing where it waits. */
  take(step: Step): Lease | BalancerError | undefined {
    const { balancer } = this
    const { registry } = balancer
    const id = 'which' in step ? this.backend(step.which)?.id : undefined
    switch (step.do) {
      case 'acquire':
        try {
          return this.#hold(balancer.acquire(this.except(step.not)))
        } catch (error) {
          return error as BalancerError
        }
      case 'wait': {
        let got: Lease | BalancerError | undefined
        balancer.lease({
          except: this.except(step.not),
          repeatable: step.repeatable,
          upgrade: step.upgrade,
          ...this.keyOf(step),
          onLease: (lease) => {
            got = this.#hold(lease)
          },
          onReject: (error) => {
            got = error as BalancerError
          },
        })
        return got
      }
      case 'spare': {
        const lease = balancer.leaseForHedge(this.except(step.not) ?? new Set(), 'r', this.keyOf(step))
        return lease && this.#hold(lease)
      }
      case 'release': {
        const [lease] = this.#held.splice(step.which % Math.max(1, this.#held.length), 1)
        if (step.answered) lease?.answered(this.clock.now(), step.outcome === 'failed' ? 'failed' : 'ok')
        lease?.release(step.outcome)
        return undefined
      }
      case 'overtake': {
        const lease = this.#held[step.which % Math.max(1, this.#held.length)]
        if (lease) balancer.lostToHedge(lease)
        return undefined
      }
      case 'add':
        registry.add({ url: `http://added${++this.#added}:1`, weight: 1 + (step.which % 2) })
        return undefined
      case 'pass':
        this.clock.pass(step.time)
        return undefined
      case 'switch':
        balancer.policy = step.policy
        return undefined
    }
    if (id === undefined) return undefined
    if (step.do === 'limit') registry.update(id, { maxConnections: step.to })
    else if (step.do === 'weight') registry.update(id, { weight: step.to })
    else if (step.do === 'health') registry.setHealth(id, step.verdict)
    else registry[step.do](id)
    return undefined
  }

  #hold(lease: Lease): Lease {
    this.#held.push(lease)
    return lease
  }
}

/** Checks what holds for every explanation. */
function check(explanation: Explanation, { balancer }: Pool): void {
  const { backend, outcome, error, backends } = explanation
  const told = JSON.stringify(explanation)
  const { registry } = balancer
  assert.equal(backends.length, registry.size, told)
  assert.deepEqual(
    backends
      .filter(({ eligible }) => eligible)
      .map(({ id }) => id)
      .sort(),
    registry.eligible.map(({ id }) => id).sort(),
    'eligible is who the registry says',
  )
  const total = backends.reduce((sum, { probability }) => sum + probability, 0)
  assert.ok(Math.abs(total - (backend === null ? 0 : 1)) < 1e-6, told)
  const available = backends.filter((one) => one.available)
  assert.deepEqual(backends.slice(0, available.length), available, 'those that may be chosen come first')
  if (outcome !== 'trial') {
    const scores = available.map(({ score }) => score as number)
    assert.deepEqual(
      scores,
      scores.toSorted((a, b) => a - b),
      told,
    )
  }
  for (const one of backends) {
    assert.ok(one.probability === 0 || one.available, told)
    assert.ok(one.reason.length > 0 && !/undefined|NaN|null/.test(one.reason), told)
  }
  assert.equal(backend === null, outcome === 'queue' || outcome === 'refused')
  assert.equal(error !== null, outcome === 'refused')
  if (backend !== null) assert.ok(available.some(({ id }) => id === backend))
  // The first entry of the list says the same.
  if (available[0]?.probability === 1) assert.equal(available[0].id, backend, told)
}

/** Checks that what was explained happens. */
function compare(explanation: Explanation, got: Lease | BalancerError | undefined): unknown {
  const told = JSON.stringify(explanation)
  const { backend, outcome, error, backends } = explanation
  if (got === undefined) return assert.equal(outcome, 'queue', told)
  if (got instanceof Error) return assert.deepEqual(error, { code: got.code, message: got.message }, told)
  const chosen = backends.find(({ id }) => id === got.backend.id)
  const chance = backends.some(({ probability }) => probability > 0 && probability < 1)
  if (!chance) assert.equal(backend, got.backend.id, told)
  return assert.ok((chosen?.probability ?? 0) > 0, `${got.backend.id}: ${told}`)
}

for (const policy of policyNames) {
  for (const [size, affinity] of [
    [3, 'off'],
    [40, 'off'],
    [3, 'key'],
  ] as const) {
    test(`${policy}, ${size} backends, affinity ${affinity}: what is explained is what happens, and explaining changes nothing`, async () => {
      await fc.assert(
        fc.asyncProperty(history, async (taken) => {
          const explained = new Pool(policy, size, seeded(7), affinity)
          const twin = new Pool(policy, size, seeded(7), affinity)
          for (const step of taken) {
            let explanation: Explanation | undefined
            if (step.do === 'acquire' || step.do === 'wait') {
              // Requests that wait come first, and which slots they leave is not known before.
              const known = step.do === 'acquire' || explained.balancer.view().queue.length === 0
              const except = explained.except(step.not)
              const inquiry =
                step.do === 'acquire'
                  ? { except, waits: false }
                  : {
                      except,
                      repeatable: step.repeatable,
                      upgrade: step.upgrade,
                      ...explained.keyOf(step),
                    }
              for (let i = 0; i < 3; i++) {
                explanation = explained.balancer.explain(inquiry)
                check(explanation, explained)
              }
              if (!known) explanation = undefined
            }
            const got = explained.take(step)
            if (explanation) compare(explanation, got)
            twin.take(step)
            // Requests that waited get their leases in a microtask.
            for (let i = 0; i < 4; i++) await null
          }
          assert.deepEqual(explained.balancer.decisions(), twin.balancer.decisions())
          explained.balancer.close()
          twin.balancer.close()
        }),
        { numRuns: size === 3 ? 40 : 10, ...(process.env.SEED && { seed: Number(process.env.SEED) }) },
      )
    })
  }
}

/** Pools with the same history, so that only the last choice is by chance. */
const last: Record<string, { size: number; taken: (pool: Pool) => void }> = {
  'power-of-two': {
    size: 6,
    taken(pool) {
      for (let i = 0; i < 9; i++) pool.take({ do: 'acquire', not: null, repeatable: true })
      for (let i = 0; i < 6; i++) pool.take({ do: 'release', which: i, outcome: 'ok', answered: true })
      pool.take({ do: 'limit', which: 2, to: 0 })
    },
  },
  'least-response-time': {
    size: 36,
    taken(pool) {
      for (let i = 0; i < 60; i++) {
        pool.take({ do: 'acquire', not: null, repeatable: true })
        pool.clock.pass(7 * (i % 5))
        if (i % 3 > 0) pool.take({ do: 'release', which: 0, outcome: 'ok', answered: true })
      }
      for (let i = 0; i < 36; i += 5) pool.take({ do: 'limit', which: i, to: 0 })
    },
  },
}

for (const [policy, { size, taken }] of Object.entries(last)) {
  test(`${policy}: backends are chosen as often as their probability says`, () => {
    const times = 1500
    for (let history = 1; history <= 2; history++) {
      const counts = new Map<string, number>()
      let explanation: Explanation | undefined
      for (let i = 0; i < times; i++) {
        let random = seeded(history)
        const pool = new Pool(policy, size, () => random())
        taken(pool)
        explanation ??= pool.balancer.explain()
        random = seeded(1000 + i)
        // Neighbouring seeds begin with similar numbers.
        for (let j = 0; j < 3; j++) random()
        const { id } = pool.balancer.acquire().backend
        counts.set(id, (counts.get(id) ?? 0) + 1)
        pool.balancer.close()
      }
      for (const { id, probability } of explanation?.backends ?? []) {
        const often = (counts.get(id) ?? 0) / times
        const deviation = Math.sqrt((probability * (1 - probability)) / times)
        const told = `${id}: ${often} of the time, where ${probability} was said`
        assert.ok(Math.abs(often - probability) <= 5 * deviation + 1e-9, told)
      }
    }
  })
}

test('probes, failed checks and panic are explained', () => {
  const clock = new TestClock()
  const backends = ['a', 'b', 'c'].map((id) => ({ url: `http://${id}:1`, id }))
  const balancer = new Balancer({
    backends,
    clock,
    random: seeded(1),
    ejectConsecutive: 1,
    ejectBase: 1000,
    ejectMaxPercent: 100,
    slowStart: 0,
  })
  const { registry } = balancer
  const [a, b, c] = registry.list() as [Backend, Backend, Backend]
  const reason = (id: string, inquiry = {}) =>
    balancer.explain(inquiry).backends.find((one) => one.id === id)?.reason ?? ''
  registry.setHealth('c', 'unhealthy', {
    at: clock.date(),
    passed: false,
    detail: 'status 503',
    answered: true,
  })
  assert.equal(reason('c'), 'unhealthy: the last check said status 503')
  balancer.acquire(new Set([b])).release('failed')
  assert.equal(balancer.explain().outcome, 'choice')
  assert.match(reason('a'), /^ejected until 2023-11-14T22:13:21.000Z$/)
  clock.pass(1000)
  const due = balancer.explain()
  assert.deepEqual(
    [due.outcome, due.backend, due.backends[0]?.id, due.backends[0]?.probability],
    ['trial', 'a', 'a', 1],
  )
  assert.deepEqual([due.backends[0]?.eligible, due.backends[0]?.available], [false, true])
  assert.match(due.why, /^a was ejected, its time is up, and the request tries it$/)
  assert.match(reason('b'), /^waits for the trial of another/)
  // A request that cannot be repeated, or excludes the backend, goes elsewhere.
  for (const inquiry of [{ repeatable: false }, { except: new Set([a]) }])
    assert.equal(balancer.explain(inquiry).backend, 'b')
  assert.match(reason('a', { repeatable: false }), /tried with the next request that fits$/)
  assert.match(reason('a', { except: new Set([a]) }), /excluded by the request$/)
  const trial = balancer.acquire()
  assert.equal(trial.backend, a)
  assert.match(reason('a'), /tried now: waits for the answer$/)
  assert.deepEqual(
    balancer.decisions({ limit: 1 }).map(({ kind, backend, eligible }) => [kind, backend, eligible]),
    [['trial', 'a', 1]],
  )
  trial.release('failed')
  registry.drain('b')
  const panic = balancer.explain()
  assert.deepEqual([panic.panic, panic.backend], [true, 'a'])
  assert.match(reason('a'), /^next: .* \(ejected, ignored\)$/)
  assert.match(reason('b'), /^draining: 0 in flight/)
  registry.remove('a', { force: true })
  const { outcome, why, error } = balancer.explain()
  assert.deepEqual([outcome, why, error?.code], ['refused', 'no usable backend', 'LEASTWISE_NO_BACKEND'])
  assert.equal(balancer.explain({ except: new Set([c]) }).backend, null)
  balancer.close()
})

test('the latest thousand decisions are kept, with ids of any length and kind', () => {
  const clock = new TestClock()
  const balancer = new Balancer({ backends: ['http://a:1'], clock })
  const take = (request: string | undefined) =>
    balancer.lease({ onLease: (lease) => lease.release('ok'), onReject() {}, request })
  for (let i = 0; i < 2500; i++) {
    take(`r${i}`)
    clock.pass(1)
  }
  const all = balancer.decisions()
  assert.deepEqual(
    all.map(({ request }) => request),
    Array.from({ length: 1000 }, (_, i) => `r${2499 - i}`),
  )
  assert.equal(Date.parse(all[0]?.at as string), clock.date().getTime() - 1)
  assert.deepEqual(balancer.decisions({ limit: 2, request: 'r2000' }), [all[499]])
  assert.deepEqual(balancer.decisions({ request: 'r1499' }), [], 'forgotten')
  assert.deepEqual(balancer.decisions({ backend: 'b' }), [])
  const long = 'x'.repeat(200)
  take(long)
  take('π–😀')
  take(undefined)
  take(5 as unknown as string)
  assert.deepEqual(
    balancer.decisions({ limit: 4 }).map(({ request }) => request),
    [null, null, 'π–😀', 'x'.repeat(128)],
  )
  assert.equal(balancer.decisions({ request: long }).length, 1)
  balancer.close()
})
