// Over 200 lines: the whole public face of a pool, of which each method is a few lines.
import type { Backend } from './backends/backend.js'
import type { Registry } from './backends/registry.js'
import { AllFullError, NoBackendError, StoppedError } from './errors.js'
import type { Decision, DecisionFilter } from './explain/decision-log.js'
import { type Explanation, explain, type Inquiry } from './explain/explanation.js'
import type { Lease } from './leases/lease.js'
import { leasePromise } from './leases/lease-promise.js'
import { deliver, type LeaseRequest } from './leases/lease-request.js'
import type { WaitQueue } from './leases/wait-queue.js'
import { GuardedEmitter, ObserverGuard } from './observer-guard.js'
import { type BalancerOptions, withDefaults } from './options.js'
import { PoolParts, type StoredBackends } from './pool-parts.js'
import type { PoolView } from './pool-view.js'
import type { Budget } from './resilience/budget.js'
import type { Hedging } from './resilience/hedging.js'
import type { PolicyName } from './selection/policies/index.js'
import type { Selection, Selector } from './selection/selection.js'
import type { StateKeeper } from './state/keeper.js'
import { type RefusalCode, RefusalCounter } from './stats/refusal-counter.js'
import type { Clock } from './time/clock.js'

export interface BalancerEvents {
  /** Another policy is in force. */
  policy: [PolicyName]
}

/** A pool: the backends, the policy that chooses among them, and the leases that count. */
export class Balancer extends GuardedEmitter<BalancerEvents> {
  readonly registry: Registry
  readonly clock: Clock
  /** @internal */
  readonly observerGuard: ObserverGuard
  readonly retryBudget: Budget
  readonly hedging: Hedging
  /** Keeps what is changed in a store, where the pool has one; see `openBalancer`. */
  keeper: StateKeeper | undefined
  readonly #parts: PoolParts
  readonly #selection: Selection
  readonly #queue: WaitQueue
  readonly #refusals = new RefusalCounter()
  #requested = 0
  #retried = 0
  #closing = false
  #endsConnections = false
  #stopped = false

  /**
   * @param stored what a store remembers, which goes before what the configuration said already then; see `openBalancer`
   * @throws {UnknownPolicyError | InvalidBackendError | BackendExistsError}
   */
  constructor(options: BalancerOptions = {}, stored?: StoredBackends) {
    const complete = withDefaults(options)
    const observerGuard = new ObserverGuard(complete.onObserverError)
    super(observerGuard)
    this.observerGuard = observerGuard
    const parts = new PoolParts(complete, observerGuard, stored)
    this.#parts = parts
    this.#selection = parts.selection
    this.#queue = parts.queue
    this.clock = parts.clock
    this.registry = parts.registry
    this.retryBudget = parts.retryBudget
    this.hedging = parts.hedging
  }

  get selector(): Selector {
    return this.#selection.selector
  }

  get policy(): PolicyName {
    return this.selector.name
  }

  /** Switches the policy. Leases and counts are the backends' and stay as they are. @throws {UnknownPolicyError} */
  set policy(wanted: string) {
    const before = this.policy
    this.#selection.use(wanted)
    if (this.policy !== before) this.announce('policy', this.policy)
  }

  /**
   * Chooses a backend and takes a lease on it. The caller has to release the lease.
   * @param except backends that are not to be chosen: those on which this request failed before
   * @throws {NoBackendError | AllFullError}
   */
  acquire(except?: ReadonlySet<Backend>): Lease {
    const lease = this.#stopped ? undefined : this.#selection.choose({ except }, false)
    if (lease) return lease
    throw this.hasOther(except) ? new AllFullError() : new NoBackendError()
  }

  /**
   * Gives `request` a lease: at once, or in its turn where every backend is full. It is refused where there is
   * none to wait for, where too many wait, and where it has waited too long.
   * @returns where it has to wait: leaves the queue, with whatever it was given meanwhile
   */
  lease(request: LeaseRequest): (() => void) | undefined {
    // Requests that already wait come first.
    if (this.#queue.length > 0) {
      this.#queue.serve()
      if (this.#queue.isFull) this.#queue.relieve()
    }
    const lease = this.#stopped ? undefined : this.#selection.choose(request, !this.#queue.isFull)
    if (lease) {
      deliver(request, lease)
      return undefined
    }
    try {
      if (!this.hasOther(request.except)) throw new NoBackendError()
      return this.#queue.join(request)
    } catch (error) {
      request.onReject(error as Error)
      return undefined
    }
  }

  /**
   * Like {@link acquire}, but waits in turn where every backend is full.
   * @param options `signal` gives up waiting
   * @throws {NoBackendError | QueueFullError | QueueTimeoutError} or the signal's reason
   */
  acquireInTurn({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<Lease> {
    return leasePromise((request) => this.lease(request), signal)
  }

  /** A request begins, of which further tries are a part that has its limits. */
  requested(): void {
    this.#requested++
    this.#parts.recentRequests.add()
  }

  /** A request that failed is tried again. */
  retried(): void {
    this.#retried++
  }

  /** A client was answered 503, and no backend had anything to do with it. */
  refused(code: RefusalCode): void {
    this.#refusals.add(code)
  }

  /**
   * A second lease for a request that holds one: undefined where that would be at the expense of others, as
   * some wait, or where the backends that are left should rest.
   * @param except those that the request is with, or failed on before
   * @param request its id, as {@link decisions} show it
   */
  leaseForHedge(except: ReadonlySet<Backend>, request?: string): Lease | undefined {
    if (this.#stopped || this.#queue.length > 0) return undefined
    return this.#selection.chooseForHedge(except, request)
  }

  /** The hedge of a request was answered before the request itself, which holds this lease. */
  lostToHedge({ backend }: Lease): void {
    if (this.registry.holds(backend)) this.#parts.residualLoad.add(backend)
  }

  /** Whether there is any backend to wait for, but for some. */
  hasOther(except?: ReadonlySet<Backend>): boolean {
    return !this.#stopped && this.registry.hasOther(except)
  }

  /** Whether a request would get a lease now. */
  hasRoom(except?: ReadonlySet<Backend>): boolean {
    return !this.#stopped && this.registry.hasRoom(except)
  }

  /**
   * What would become of a request that came now, and why: which backend it would be given to, or that it would wait,
   * or be refused; and how each backend stands. Nothing is changed by that, no later choice either. Where requests
   * wait already, they come first.
   */
  explain(inquiry: Inquiry = {}): Explanation {
    const patient = inquiry.waits !== false && !this.#queue.isFull
    return explain(inquiry, {
      preview: this.#selection.preview(inquiry, patient),
      policy: this.policy,
      registry: this.registry,
      ejection: this.#parts.ejection,
      limits: this.#parts.limits,
      queue: this.#queue,
      clock: this.clock,
      stopped: this.#stopped,
      hasOther: this.hasOther(inquiry.except),
    })
  }

  /** The latest choices, 1,000 at most, the latest of all first. */
  decisions(filter?: DecisionFilter): Decision[] {
    return this.#parts.decisions.list(filter)
  }

  /** How the pool is. */
  view(): PoolView {
    const { registry } = this
    return {
      policy: this.policy,
      backends: registry.size,
      eligible: registry.eligible.length,
      panic: registry.panicking,
      inFlight: registry.inFlight,
      queue: { length: this.#queue.length, limit: this.#queue.limit },
      requests: this.#requested,
      retries: this.#retried,
      hedges: this.hedging.sent,
      refused: this.#refusals.view(),
      closing: this.#closing,
    }
  }

  /** True from the start of a shutdown: requests are still served, but no new ones should be sent here. */
  get closing(): boolean {
    return this.#closing
  }

  /** Whether each answer tells its client that the connection closes. */
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

  /** Ends the time that requests in flight were given: cuts every lease, and opens no more. */
  stop(reason: StoppedError): void {
    this.startClosing()
    this.#stopped = true
    this.#queue.close(reason)
    for (const backend of this.registry.list()) backend.leases.cutAll(reason, this.observerGuard)
  }

  /** Drops all timers; to be called when no request is in flight any more. */
  close(): void {
    this.startClosing()
    this.#queue.close(new StoppedError('the pool was closed'))
    this.#parts.close()
  }
}
