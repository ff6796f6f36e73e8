import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Backend } from '../../../../src/balancer/backends/backend.js'
import type { Balancer } from '../../../../src/balancer/balancer.js'
import { AllFullError, NoBackendError } from '../../../../src/balancer/errors.js'
import type { Lease } from '../../../../src/balancer/leases/lease.js'
import { sharedPool } from '../../../support/pool-members.js'
import { seeded } from '../../../support/random.js'

const WORKERS = 3

type Step =
  | { do: 'choose'; worker: number; not: number | null; upgrade: boolean }
  | { do: 'release' | 'switch'; which: number }
  | { do: 'weight' | 'limit'; which: number; to: number }
  | { do: 'drain' | 'activate'; which: number }

const which = fc.nat(9)
const not = fc.option(which)
const is = <T extends string>(name: T) => fc.constant(name)
const steps: [number, fc.Arbitrary<Step>][] = [
  [
    30,
    fc.record({
      do: is('choose'),
      worker: fc.nat(WORKERS - 1),
      not,
      upgrade: fc.boolean(),
    }),
  ],
  [24, fc.record({ do: is('release'), which })],
  [2, fc.record({ do: is('switch'), which })],
  [2, fc.record({ do: is('weight'), which, to: fc.integer({ min: 1, max: 3 }) })],
  [2, fc.record({ do: is('limit'), which, to: fc.nat(4) })],
  [1, fc.record({ do: fc.constantFrom('drain', 'activate'), which })],
]
const history = fc.array(fc.oneof(...steps.map(([weight, arbitrary]) => ({ weight, arbitrary }))), {
  minLength: 60,
  maxLength: 250,
})

/** What is known of a backend to somebody who counts by himself. */
interface Counted {
  inFlight: number
  tunnels: number
  limit: number
  weight: number
  isActive: boolean
}

test('the choices of several workers agree with counts that are kept beside them', async (t) => {
  await fc.assert(
    fc.asyncProperty(history, async (taken) => {
      const model = new Map<string, Counted>()
      const backends = Array.from({ length: 5 }, (_, i) => {
        const one = { url: `http://b${i}:1`, id: `b${i}`, weight: 1 + (i % 2), maxConnections: 3 }
        model.set(one.id, { inFlight: 0, tunnels: 0, limit: 3, weight: one.weight, isActive: true })
        return one
      })
      const { control, members, settled } = sharedPool(t, {
        members: WORKERS,
        backends,
        slowStart: 0,
        random: seeded(taken.length),
      })
      const held: { lease: Lease; isTunnel: boolean }[] = []
      const counted = (backend: Backend) => model.get(backend.id) as Counted
      const choose = (member: Balancer, not: number | null, upgrade: boolean) => {
        const excluded = not === null ? undefined : member.registry.get(`b${not % 5}`)
        const open = member.registry.list().filter((backend) => {
          const { isActive, inFlight, limit } = counted(backend)
          return isActive && inFlight < limit && backend !== excluded
        })
        const except = excluded && new Set([excluded])
        const expected = member.explain({ except, upgrade, waits: upgrade }).backend ?? undefined
        let lease: Lease | undefined
        try {
          if (upgrade)
            member.lease({
              upgrade,
              except,
              onLease: (got) => {
                lease = got
              },
              onReject() {},
            })?.()
          else lease = member.acquire(except)
        } catch (error) {
          assert.ok(error instanceof AllFullError || error instanceof NoBackendError)
        }
        assert.equal(lease === undefined, open.length === 0, 'a choice is made where one can be')
        if (!lease) return
        assert.ok(open.includes(lease.backend), 'only a backend that may be chosen is')
        assert.equal(expected, lease.backend.id, 'the explanation says so before')
        const one = counted(lease.backend)
        // A tunnel without traffic does not count, unless another one is to be opened.
        const loadOf = ({ inFlight, tunnels }: Counted) => (upgrade ? inFlight : inFlight - tunnels)
        for (const backend of open) {
          const other = counted(backend)
          if (other.weight === one.weight) assert.ok(loadOf(other) >= loadOf(one), 'none has fewer')
        }
        one.inFlight++
        if (upgrade) {
          lease.answered(0)
          lease.switched()
          one.tunnels++
        }
        assert.equal(lease.inFlight, one.inFlight)
        held.push({ lease, isTunnel: upgrade })
      }
      for (const step of taken) {
        if (step.do === 'choose') choose(members[step.worker] as Balancer, step.not, step.upgrade)
        else if (step.do === 'release') {
          const [ended] = held.splice(step.which % Math.max(1, held.length), 1)
          if (!ended) continue
          ended.lease.release('ok')
          counted(ended.lease.backend).inFlight--
          if (ended.isTunnel) counted(ended.lease.backend).tunnels--
        } else {
          const id = `b${step.which % 5}`
          const one = model.get(id) as Counted
          if (step.do === 'switch') {
            control.policy = 'round-robin'
            control.policy = 'least-connections'
          } else if (step.do === 'weight') {
            control.registry.update(id, { weight: step.to })
            one.weight = step.to
          } else if (step.do === 'limit') {
            control.registry.update(id, { maxConnections: step.to })
            one.limit = step.to === 0 ? Number.POSITIVE_INFINITY : step.to
          } else {
            control.registry[step.do](id)
            one.isActive = step.do === 'activate'
          }
          await settled()
        }
        for (const backend of control.registry.list()) {
          assert.equal(backend.inFlight, counted(backend).inFlight)
          assert.equal(backend.view().tunnels, counted(backend).tunnels)
        }
      }
      for (const member of members) member.close()
      control.close()
    }),
    { numRuns: 30, seed: 11 },
  )
})
