import type { CountsExchange } from './counts-exchange.js'
import type { FleetStatus } from './fleet-status.js'
import type { SlotStore } from './slot-store.js'

/** The gateways that share the store of a pool, as the pool reaches them. */
export interface PoolFleet {
  /** Tells the others of the requests in flight here, and hears of theirs. */
  readonly counts: CountsExchange
  /** Hands out the slots of backends whose `maxConnections` holds for all gateways together. */
  readonly slots: SlotStore
  /**
   * What is known of the store and of the gateways, one for all pools of a process; left out by a store that does not tell
   * of itself.
   */
  readonly status?: FleetStatus
}
