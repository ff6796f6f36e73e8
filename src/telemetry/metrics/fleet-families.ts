import type { FleetStatus } from '../../balancer/fleet/fleet-status.js'
import { labelsOf } from './backend-families.js'
import { type Family, type MeteredPool, sample } from './family.js'

/** The pools that share a store, the first of which shows the lines of the store. */
const pools = new WeakMap<FleetStatus, Set<MeteredPool>>()

function statusOf({ balancer }: MeteredPool): FleetStatus | undefined {
  return balancer.keeper?.fleet?.status
}

/** Makes a family with one line for each store, however many pools share it. */
function number(
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  value: (status: FleetStatus) => number,
): Family {
  return {
    name,
    type,
    help,
    *of(pool) {
      const status = statusOf(pool)
      const [first] = (status && pools.get(status)) ?? []
      if (status && first === pool) yield [sample({}, value(status))]
    },
  }
}

/** The metrics of a store that gateways share, and of the gateways. */
export const fleetFamilies: readonly Family[] = [
  number(
    'gauge',
    'leastwise_gateways',
    'Gateways that share the store, this one included',
    ({ gateways }) => gateways.list().length,
  ),
  number('gauge', 'leastwise_store_up', '1 while the store that gateways share answers', (status) =>
    Number(!status.store().away),
  ),
  number(
    'counter',
    'leastwise_store_failures_total',
    'How often the store that gateways share went away',
    ({ failures }) => failures,
  ),
  number(
    'counter',
    'leastwise_store_away_seconds_total',
    'Time for which the store that gateways share was away',
    ({ awayMs }) => awayMs / 1000,
  ),
  {
    name: 'leastwise_backend_slots',
    type: 'gauge',
    help: "Requests that this gateway may have in flight on a backend, of the backend's limit for all gateways",
    *of(pool) {
      if (!statusOf(pool)) return
      for (const backend of pool.balancer.registry.list()) {
        if (backend.maxConnections !== Number.POSITIVE_INFINITY)
          yield [sample(labelsOf(pool, backend), backend.slots)]
      }
    },
  },
]

/**
 * Has the metrics of a pool's store shown.
 * @returns a function that ends it; undefined where the pool shares no store
 */
export function showFleet(pool: MeteredPool): (() => void) | undefined {
  const status = statusOf(pool)
  if (!status) return undefined
  const sharing = pools.get(status) ?? new Set()
  pools.set(status, sharing.add(pool))
  return () => sharing.delete(pool)
}
