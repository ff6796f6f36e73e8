import type { CountsExchange } from './counts-exchange.js'
import type { SlotStore } from './slot-store.js'

/** The gateways that share the store of a pool, as the pool reaches them. */
export interface PoolFleet {
  /** Tells the others of the requests in flight here, and hears of theirs. */
  readonly counts: CountsExchange
  /** Hands out the slots of backends whose `maxConnections` holds for all gateways together. */
  readonly slots: SlotStore
}
