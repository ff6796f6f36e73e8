import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type BackendRecord,
  type BackendStore,
  Balancer,
  type BalancerOptions,
  openBalancer,
  type PoolState,
  policyNames,
  type Registry,
} from '../../../src/balancer/index.js'
import { TestClock } from '../../support/clock.js'

class MemoryStore implements BackendStore {
  readonly name = 'memory'
  #state: PoolState | undefined

  load = async () => structuredClone(this.#state)

  save = async (state: PoolState) => {
    this.#state = structuredClone(state)
  }
}

type Configuration = Required<Pick<BalancerOptions, 'backends' | 'policy' | 'maxConnections'>>

/** A pool and its store. */
class Kept {
  readonly store = new MemoryStore()
  readonly clock = new TestClock()
  balancer = new Balancer()

  async open(configuration: Configuration): Promise<void> {
    this.balancer = await openBalancer({ ...configuration, clock: this.clock }, this.store)
  }

  async close(): Promise<void> {
    await this.balancer.keeper?.close()
    this.balancer.close()
  }

  /** All that a configuration, or somebody else, says of the pool. */
  get content() {
    const { registry, policy } = this.balancer
    const backends = registry
      .list()
      .map(({ url, id, weight, maxConnections, state, ownLimit, addedAt }) =>
        [url, id, weight, maxConnections, ownLimit, state, addedAt.toISOString()].join(' '),
      )
    return { policy, backends: backends.sort() }
  }
}

const urls = ['http://a:1', 'http://b:1', 'http://c:1', 'https://a:1'] as const
const record = fc.record(
  {
    url: fc.constantFrom(...urls),
    id: fc.constantFrom('x', 'y'),
    weight: fc.integer({ min: 1, max: 3 }),
    maxConnections: fc.constantFrom(0, 5),
  },
  { requiredKeys: ['url'] },
)
const configuration: fc.Arbitrary<Configuration> = fc.record({
  backends: fc.uniqueArray(record, {
    comparator: (one, other) => one.url === other.url || (one.id !== undefined && one.id === other.id),
  }),
  policy: fc.constantFrom(...policyNames.slice(0, 2)),
  maxConnections: fc.constantFrom(0, 3),
})

const withUrl = (registry: Registry, i: number) => registry.list().find(({ url }) => url === urls[i])

/** What somebody does over the API. */
const change: fc.Arbitrary<(pool: Balancer) => void> = fc.oneof(
  record.map((spec: BackendRecord) => (pool: Balancer) => void pool.registry.add(spec)),
  ...(['drain', 'activate', 'remove'] as const).map((act) =>
    fc.nat(3).map((i) => ({ registry }: Balancer) => {
      const backend = withUrl(registry, i)
      if (backend) registry[act](backend.id)
    }),
  ),
  fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 3 })).map(([i, weight]) => ({ registry }: Balancer) => {
    const backend = withUrl(registry, i)
    if (backend) registry.update(backend.id, { weight })
  }),
  fc.constantFrom(...policyNames.slice(0, 2)).map((policy) => (pool: Balancer) => {
    pool.policy = policy
  }),
)

/** Returns the class of the error that is thrown; undefined for none. */
async function failure(act: () => unknown): Promise<string | undefined> {
  try {
    await act()
    return undefined
  } catch (error) {
    return (error as { code?: string }).code ?? 'error'
  }
}

test('a configuration that comes while a pool is in use has the same result as one that comes with a restart', async () => {
  await fc.assert(
    fc.asyncProperty(
      configuration,
      fc.array(fc.tuple(fc.array(change, { maxLength: 4 }), configuration), { minLength: 1, maxLength: 4 }),
      async (first, steps) => {
        const [reloaded, restarted] = [new Kept(), new Kept()]
        await Promise.all([reloaded.open(first), restarted.open(first)])
        let present = first
        for (const [changes, next] of steps) {
          for (const act of changes) {
            const failures = [reloaded, restarted].map(({ balancer }) => failure(() => act(balancer)))
            assert.equal(await failures[0], await failures[1])
          }
          assert.deepEqual(reloaded.content, restarted.content)
          const refused = await failure(() => reloaded.balancer.configure(next))
          await restarted.close()
          assert.equal((await failure(() => restarted.open(next))) !== undefined, refused !== undefined)
          // A configuration that is wrong stops a start, and changes nothing in a pool that is in use.
          if (refused === undefined) present = next
          else await restarted.open(present)
          assert.deepEqual(reloaded.content, restarted.content)
        }
        const { content } = reloaded
        await reloaded.close()
        await reloaded.open(present)
        assert.deepEqual(
          reloaded.content,
          content,
          'a restart with the configuration in force changes nothing',
        )
        await Promise.all([reloaded.close(), restarted.close()])
      },
    ),
    { numRuns: 200, ...(process.env.SEED && { seed: Number(process.env.SEED) }) },
  )
})
