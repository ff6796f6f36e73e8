import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Backend } from '../../../../src/balancer/backends/backend.js'
import { Balancer } from '../../../../src/balancer/balancer.js'
import type { ElsewhereLoad } from '../../../../src/balancer/fleet/elsewhere-counts.js'
import type { Lease } from '../../../../src/balancer/leases/lease.js'
import { type PolicyName, policyNames } from '../../../../src/balancer/selection/policies/index.js'
import { TestClock } from '../../../support/clock.js'
import { sharedPool } from '../../../support/pool-members.js'
import { seeded } from '../../../support/random.js'

const SIZE = 5

type Step =
  | { do: 'acquire'; except: number | null }
  | { do: 'release' | 'drain' | 'activate'; which: number }
  | { do: 'hear'; totals: number[]; gateways: number }
  | { do: 'pass'; time: number }

const which = fc.nat(SIZE - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('acquire'), except: fc.option(which) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('release'), which: fc.nat(50) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('hear'),
      totals: fc.array(fc.double({ min: 0, max: 40, noNaN: true }), { minLength: SIZE, maxLength: SIZE }),
      gateways: fc.nat(20),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass'), time: fc.nat(4000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('drain', 'activate'), which }) },
)
const history = fc.array(step, { minLength: 20, maxLength: 120 })

const urls = Array.from({ length: SIZE }, (_, i) => `http://b${i}:1`)

/** Plays a history on the pool that hears of others and one that chooses, which may be the same. */
function play(
  { control, chooser, clock }: { control: Balancer; chooser: Balancer; clock: TestClock },
  steps: readonly Step[],
  choose: (except: ReadonlySet<Backend> | undefined) => Lease | undefined,
): void {
  const held: Lease[] = []
  for (const one of steps) {
    if (one.do === 'acquire') {
      const excluded = one.except === null ? undefined : chooser.registry.list()[one.except]
      const lease = choose(excluded && new Set([excluded]))
      if (lease) held.push(lease)
    } else if (one.do === 'release') {
      const [lease] = held.splice(one.which % (held.length || 1), 1)
      lease?.answered(clock.now())
      lease?.release('ok')
    } else if (one.do === 'hear') {
      const totals = urls.map((url, i): [string, ElsewhereLoad] => {
        const load = one.totals[i] as number
        return [url, { inFlight: load, load }]
      })
      control.parts.loadElsewhere.set(new Map(totals), one.gateways)
    } else if (one.do === 'pass') clock.pass(one.time)
    else control.registry[one.do](`b${one.which}-1`)
  }
  for (const lease of held) lease.release('ok')
}

function pool(policy: PolicyName, weights = false) {
  const clock = new TestClock()
  const balancer = new Balancer({
    policy,
    clock,
    random: seeded(7),
    maxConnections: 6,
    slowStart: 0,
    backends: urls.map((url, i) => ({ url, weight: weights ? 1 + (i % 3) : 1 })),
  })
  return { control: balancer, chooser: balancer, clock }
}

for (const policy of policyNames) {
  test(`${policy}: what is explained is what is chosen, whatever other gateways have`, () => {
    fc.assert(
      fc.property(history, (steps) => {
        const parts = pool(policy, true)
        play(parts, steps, (except) => {
          const { backend, backends, outcome } = parts.chooser.explain({ except, waits: false })
          if (outcome !== 'choice') return undefined
          const sum = backends.reduce((sum, { probability }) => sum + probability, 0)
          assert.ok(Math.abs(sum - 1) < 1e-6, `probabilities add up to ${sum}`)
          const lease = parts.chooser.acquire(except)
          const chosen = backends.find(({ id }) => id === lease.backend.id)
          assert.ok((chosen?.probability ?? 0) > 0, `${lease.backend.id} was chosen`)
          if (chosen?.probability !== 1) return lease
          assert.equal(lease.backend.id, backend)
          return lease
        })
        parts.control.close()
        assert.equal(parts.control.registry.inFlight, 0)
      }),
      { numRuns: 40, seed: 5 },
    )
  })
}

/** Checks that a chosen backend has the least of its own requests and what counts of others. */
function leastLoaded(chooser: Balancer, except: ReadonlySet<Backend> | undefined): Lease | undefined {
  const open = chooser.registry.eligible.filter((backend) => !backend.isFull && !except?.has(backend))
  if (open.length === 0) return undefined
  const least = Math.min(...open.map(({ inFlight, countedElsewhere }) => inFlight + countedElsewhere))
  const { backend } = chooser.explain({ except, waits: false })
  const lease = chooser.acquire(except)
  assert.equal(lease.backend.load - 1, least)
  assert.equal(lease.backend.id, backend)
  return lease
}

test('least-connections: the chosen backend has the least of its own and what counts of others', () => {
  fc.assert(
    fc.property(history, (steps) => {
      const parts = pool('least-connections')
      play(parts, steps, (except) => leastLoaded(parts.chooser, except))
      parts.control.close()
    }),
    { numRuns: 100, seed: 6 },
  )
})

test('least-connections: so it is where threads share the pool', async (t) => {
  await fc.assert(
    fc.asyncProperty(history, async (taken) => {
      // Whether a backend drains is told by messages, which take their time.
      const steps = taken.filter((one) => one.do !== 'drain' && one.do !== 'activate')
      const { control, members, clock, settled } = sharedPool(t, {
        members: 2,
        backends: urls,
        maxConnections: 6,
        slowStart: 0,
        random: seeded(3),
      })
      await settled()
      let turn = 0
      const [chooser] = members as [Balancer]
      play({ control, chooser, clock }, steps, (except) => {
        const member = members[turn++ % members.length] as Balancer
        const same = except && new Set([...except].map(({ id }) => member.registry.get(id)))
        return leastLoaded(member, same)
      })
      for (const one of [...members, control]) one.close()
    }),
    { numRuns: 10, seed: 8 },
  )
})

test('power-of-two: backends are chosen as often as their probability says', () => {
  const { chooser, control, clock } = pool('power-of-two', true)
  const totals = urls.map((url, i): [string, ElsewhereLoad] => [url, { inFlight: i * 0.7, load: i * 0.7 }])
  control.parts.loadElsewhere.set(new Map(totals), 2)
  clock.pass(60_000)
  const counts = new Map<string, number>()
  const expected = new Map<string, number>()
  const times = 2500
  for (let i = 0; i < times; i++) {
    for (const { id, probability } of chooser.explain().backends) {
      expected.set(id, (expected.get(id) ?? 0) + probability)
    }
    const lease = chooser.acquire()
    counts.set(lease.backend.id, (counts.get(lease.backend.id) ?? 0) + 1)
    lease.release('ok')
  }
  for (const [id, sum] of expected) {
    const deviation = Math.sqrt(sum)
    assert.ok(Math.abs((counts.get(id) ?? 0) - sum) <= 4 * deviation, `${id}: ${counts.get(id)} of ${sum}`)
  }
  control.close()
})
