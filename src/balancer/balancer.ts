import type { Backend, BackendSpec } from './backend.js'
import { type Clock, systemClock } from './clock.js'
import { AllFullError, NoBackendError, UnknownPolicyError } from './errors.js'
import type { Lease } from './lease.js'
import { isPolicyName, type PolicyName, policies, policyNames } from './policies/index.js'
import type { Policy } from './policies/policy.js'
import { Registry } from './registry.js'
import { RetryBudget } from './retry-budget.js'

export interface BalancerOptions {
  /** Registered at the start: URLs or whole descriptions. */
  backends?: readonly (string | BackendSpec)[] | undefined
  /** `least-connections` by default. */
  policy?: string | undefined
  /** Limit of a backend that is registered without one; 0, the default, for none. */
  maxConnections?: number | undefined
  /** Milliseconds that requests in flight may take on a drain; 30,000 by default. */
  drainTimeout?: number | undefined
  /** Ceiling of retries in percent of requests; 20 by default. */
  retryBudget?: number | undefined
  clock?: Clock | undefined
  /** Uniform in [0, 1). */
  random?: (() => number) | undefined
}

/** The policy in force, as `balancer.selector` shows it. */
export interface Selector {
  readonly name: PolicyName
  /** Whom the policy chooses now. It takes no lease: use `acquire` for a request. */
  pick(): Backend | undefined
}

/** A pool: the backends, the policy that chooses among them, and the leases that count. */
export class Balancer {
  readonly registry: Registry
  readonly clock: Clock
  readonly retryBudget: RetryBudget
  readonly #random: () => number
  #policy!: Policy
  #selector!: Selector
  #closing = false
  #stopped = false

  /** @throws {UnknownPolicyError | InvalidBackendError | BackendExistsError} */
  constructor(options: BalancerOptions = {}) {
    this.clock = options.clock ?? systemClock
    this.#random = options.random ?? Math.random
    this.retryBudget = new RetryBudget(options.retryBudget ?? 20, this.clock)
    this.registry = new Registry({
      clock: this.clock,
      maxConnections: options.maxConnections ?? 0,
      drainTimeout: options.drainTimeout ?? 30_000,
    })
    for (const backend of options.backends ?? []) {
      this.registry.add(typeof backend === 'string' ? { url: backend } : backend)
    }
    // The policy learns of them all at once.
    this.policy = options.policy ?? 'least-connections'
    this.registry.onEligible = (eligible) => this.#policy.update(eligible)
    this.registry.onInFlight = (backend) => this.#policy.changed?.(backend)
  }

  get selector(): Selector {
    return this.#selector
  }

  get policy(): PolicyName {
    return this.#selector.name
  }

  /** Switches the policy. Leases and counts are the backends' and stay as they are. @throws {UnknownPolicyError} */
  set policy(wanted: string) {
    if (!isPolicyName(wanted)) throw new UnknownPolicyError(wanted, policyNames)
    if (wanted === this.#selector?.name) return
    const policy: Policy = new policies[wanted](this.#random)
    policy.update(this.registry.eligible)
    this.#policy = policy
    this.#selector = { name: wanted, pick: () => policy.pick() }
  }

  /**
   * Chooses a backend and holds it. Whoever gets the lease has to see to its release.
   * @param except backends that are not to be chosen: those on which this request failed before
   * @throws {NoBackendError | AllFullError}
   */
  acquire(except?: ReadonlySet<Backend>): Lease {
    if (this.#stopped) throw new NoBackendError()
    const backend = this.#policy.pick(except)
    if (backend) return backend.leases.open(backend, this.clock.now())
    throw this.registry.eligible.length === 0 ? new NoBackendError() : new AllFullError()
  }

  /** True from the start of a shutdown: requests are still served, but no new ones should be sent here. */
  get closing(): boolean {
    return this.#closing
  }

  /** Announces a shutdown. */
  startClosing(): void {
    this.#closing = true
  }

  /** Ends the time that requests in flight were given: cuts every lease, and opens no more. */
  stop(reason: Error): void {
    this.#closing = true
    this.#stopped = true
    for (const backend of this.registry.list()) backend.leases.cutAll(reason)
  }

  /** Drops all timers; to be called when no request is in flight any more. */
  close(): void {
    this.#closing = true
    this.registry.close()
  }
}
