import { FleetStatus } from '../../balancer/fleet/fleet-status.js'
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
  /** What is known of the store and of the gateways. */
  readonly status: FleetStatus
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
    this.status = new FleetStatus({
      name: connection.displayed,
      connection,
      gateways: this.gateways,
      clock,
    })
  }

  /** Returns the gateways as one pool reaches them. */
  forPool(name: string): PoolFleet {
    return { counts: this.#counts.forPool(name), slots: this.#slots.forPool(name), status: this.status }
  }

  /** Joins the other gateways as soon as the store is there. Does nothing where that has begun. */
  start(): void {
    this.status.start()
    this.#counts.start()
    this.#slots.start()
    this.gateways.start()
  }

  /** Leaves the other gateways. The connection has to be closed after that. */
  async close(): Promise<void> {
    this.status.close()
    this.#counts.close()
    await this.#slots.close()
    await this.gateways.close()
  }
}
