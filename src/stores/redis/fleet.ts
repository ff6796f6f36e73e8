import type { PoolFleet } from '../../balancer/fleet/pool-fleet.js'
import { ObserverGuard, warn } from '../../balancer/observer-guard.js'
import type { Clock } from '../../balancer/time/clock.js'
import type { RedisConnection } from './connection.js'
import { CountsChannel } from './counts-channel.js'
import { Membership } from './membership.js'
import { RedisSlots } from './slots.js'

/** Version of what gateways tell each other. A gateway passes over messages of another version. */
const FLEET_VERSION = '1'

/** This gateway among those that share a store. */
export class RedisFleet {
  /** The gateways that share the store. */
  readonly gateways: Membership
  readonly #counts: CountsChannel
  readonly #slots: RedisSlots

  /** @param id what this gateway is called, unless another living one is called so */
  constructor(connection: RedisConnection, id: string, clock: Clock) {
    this.gateways = new Membership(connection, {
      id,
      version: FLEET_VERSION,
      clock,
      observerGuard: new ObserverGuard(warn),
      inFlight: () => this.#counts.inFlight,
    })
    this.#counts = new CountsChannel(connection, this.gateways, clock)
    this.#slots = new RedisSlots(connection)
  }

  /** Returns the gateways as one pool reaches them. */
  forPool(name: string): PoolFleet {
    return { counts: this.#counts.forPool(name), slots: this.#slots.forPool(name) }
  }

  /** Joins the other gateways as soon as the store is there. Does nothing where that has begun. */
  start(): void {
    this.#counts.start()
    this.#slots.start()
    this.gateways.start()
  }

  /** Leaves the other gateways. The connection has to be closed after that. */
  async close(): Promise<void> {
    this.#counts.close()
    await this.#slots.close()
    await this.gateways.close()
  }
}
