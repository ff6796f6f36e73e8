import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CountedPool } from '../../../../src/balancer/fleet/counts-exchange.js'
import { GATHER_MS } from '../../../../src/balancer/fleet/elsewhere-counts.js'
import type { PoolFleet } from '../../../../src/balancer/fleet/pool-fleet.js'
import { openBalancer } from '../../../../src/balancer/state/open-balancer.js'
import type { BackendStore } from '../../../../src/balancer/state/store.js'
import { TestClock } from '../../../support/clock.js'
import { heardCounts } from '../../../support/heard-counts.js'

const A = 'http://a:1'
const B = 'http://b:1'

/** A pool whose store is shared, and what the exchange of counts was given. */
async function pool() {
  const clock = new TestClock()
  const joined: CountedPool[] = []
  const counts: PoolFleet['counts'] = {
    join(member) {
      joined.push(member)
      return () => void joined.splice(joined.indexOf(member), 1)
    },
  }
  const slots: PoolFleet['slots'] = { isAway: false, lease: async () => [], onNews: () => () => {} }
  const store: BackendStore = {
    name: 'a shared store',
    load: async () => undefined,
    save: async () => '1-a',
    fleet: { counts, slots },
  }
  const balancer = await openBalancer(
    {
      clock,
      backends: [
        { url: A, id: 'a' },
        { url: B, id: 'b' },
      ],
    },
    store,
  )
  const says = (gateway: string, inFlight: Record<string, number>, quiet: Record<string, number> = {}) => {
    joined[0]?.heard(heardCounts(gateway, inFlight, quiet))
  }
  return { clock, balancer, joined, says }
}

test('a pool tells the requests in flight on its backends, also on one that leaves', async () => {
  const { balancer, joined } = await pool()
  const told = () => Object.fromEntries(joined[0]?.counts().inFlight ?? [])
  assert.deepEqual(told(), {})
  const [first, second, third] = [balancer.acquire(), balancer.acquire(), balancer.acquire()]
  assert.deepEqual(Object.values(told()).sort(), [1, 2])
  balancer.registry.remove('b')
  assert.deepEqual(Object.keys(told()).sort(), [A, B])
  for (const lease of [first, second, third]) lease.release('ok')
  assert.deepEqual(told(), {})
  balancer.close()
})

test('tunnels without traffic are told apart', async () => {
  const { balancer, joined } = await pool()
  balancer.configure({ tunnelWeight: 0 })
  const lease = balancer.acquire()
  lease.backend.counter.addTunnels(1, 1)
  const counts = joined[0]?.counts()
  assert.deepEqual([...(counts?.inFlight ?? [])], [[lease.backend.url, 1]])
  assert.deepEqual([...(counts?.quiet ?? [])], [[lease.backend.url, 1]])
  balancer.close()
})

test('backends show what other gateways have in flight, also one that is added later', async () => {
  const { clock, balancer, says } = await pool()
  const elsewhere = (id: string) => balancer.registry.get(id).inFlightElsewhere
  says('one', { [A]: 3, 'http://c:1': 5 })
  says('two', { [A]: 1 })
  clock.pass(GATHER_MS)
  assert.deepEqual([elsewhere('a'), elsewhere('b')], [4, 0])
  balancer.registry.add({ url: 'http://c:1', id: 'c' })
  assert.equal(elsewhere('c'), 5)
  says('one', {})
  clock.pass(GATHER_MS)
  assert.deepEqual([elsewhere('a'), elsewhere('b'), elsewhere('c')], [1, 0, 0])
  balancer.close()
})

test('a pool that closes takes part no more, and forgets what it heard', async () => {
  const { clock, balancer, joined, says } = await pool()
  const { pending } = clock
  says('one', { [A]: 3 })
  clock.pass(GATHER_MS)
  const a = balancer.registry.get('a')
  assert.equal(a.inFlightElsewhere, 3)
  assert.ok(clock.pending > pending)
  balancer.close()
  assert.deepEqual([joined.length, a.inFlightElsewhere, clock.pending], [0, 0, 0])
})
