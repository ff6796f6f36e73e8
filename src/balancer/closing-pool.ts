import { GuardedEmitter } from './observer-guard.js'
import type { ConfigurationChange } from './pool-configuration.js'
import type { PolicyName } from './selection/policies/index.js'

export interface BalancerEvents {
  /** Another policy is in force now. */
  policy: [PolicyName]
  /** Another configuration is in force now, see `Balancer.configure`. */
  configured: [ConfigurationChange]
}

/** A pool, as far as it tells that it will close. */
export class ClosingPool extends GuardedEmitter<BalancerEvents> {
  #closing = false
  #endsConnections = false

  /** True from the start of a shutdown: requests are still served, but no new ones should be sent here. */
  get closing(): boolean {
    return this.#closing
  }

  /** True if each response tells its client that the connection closes. */
  get endsConnections(): boolean {
    return this.#endsConnections
  }

  /** Announces a shutdown: readiness fails, and nothing else changes yet. */
  announceClosing(): void {
    this.#closing = true
  }

  /** Begins a shutdown: readiness fails, and clients are told with their answers that the connection closes. */
  startClosing(): void {
    this.#closing = true
    this.#endsConnections = true
  }
}
