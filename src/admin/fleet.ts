import { hostname } from 'node:os'
import type { Balancer } from '../balancer/balancer.js'
import type { FleetStatus } from '../balancer/fleet/fleet-status.js'
import type { GatewayView } from '../balancer/fleet/gateway-directory.js'
import { defaultGatewayId } from '../balancer/fleet/gateway-id.js'
import type { AdminPools } from './pools.js'

/** What is known of the store of a pool that gateways share; undefined where the pool has none. */
export function statusOf(pool: Balancer): FleetStatus | undefined {
  return pool.keeper?.fleet?.status
}

/** The gateways of which an admin API tells. Where no store is shared, there is only the one that is asked. */
export class AdminGateways {
  readonly #pools: AdminPools
  readonly #id: string

  /** @param id what this gateway is called where it shares no store; its host's name and a random part if left out */
  constructor(pools: AdminPools, id = '') {
    this.#pools = pools
    this.#id = id || defaultGatewayId(hostname(), Math.random)
  }

  /** The gateways that were heard of last, this one first. */
  list(): GatewayView[] {
    const pools = this.#pools.list()
    const shared = pools.map(statusOf).find((status) => status !== undefined)
    if (shared) return shared.gateways.list()
    const inFlight = pools.reduce((sum, { registry }) => sum + registry.inFlight, 0)
    return [{ id: this.#id, lastSeen: new Date().toISOString(), inFlight, self: true }]
  }
}
