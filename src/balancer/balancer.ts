// Over 200 lines: the whole public interface of a pool, in which each method is a few lines.
import type { Backend } from './backends/backend.js'
import type { Registry } from './backends/registry.js'
import { ClosingPool } from './closing-pool.js'
import { AllFullError, ControlledElsewhereError, NoBackendError, StoppedError } from './errors.js'
import type { Decision, DecisionFilter } from './explain/decision.js'
import type { Explanation, Inquiry } from './explain/explanation.js'
import type { Lease } from './leases/lease.js'
import { leasePromise } from './leases/lease-promise.js'
import { deliver, type KeyTraits, type LeaseRequest } from './leases/lease-request.js'
import type { WaitQueue } from './leases/wait-queue.js'
import { ObserverGuard } from './observer-guard.js'
import { type BalancerOptions, withDefaults } from './options.js'
import type { ConfigurableOptions, ConfigurationChange } from './pool-configuration.js'
import { PoolInquiries } from './pool-inquiries.js'
import { PoolParts, type StoredPool } from './pool-parts.js'
import type { PoolView } from './pool-view.js'
import { cutAll, cutElsewhere, untilIdle } from './requests-in-flight.js'
import type { Budget } from './resilience/budget.js'
import type { Hedging } from './resilience/hedging.js'
import type { PolicyName } from './selection/policies/index.js'
import type { Selection } from './selection/selection.js'
import type { Selector } from './selection/selector.js'
import type { StateKeeper } from './state/keeper.js'
import type { RefusalCode } from './stats/refusals.js'
import type { PoolWorkers } from './threads/pool-workers.js'
import type { PoolTable } from './threads/table.js'
import type { Clock } from './time/clock.js'

/** A pool: its backends, the policy that chooses among them, and the leases that count requests. */
export class Balancer extends ClosingPool {
  readonly registry: Registry
  readonly clock: Clock
  /** @internal */
  readonly observerGuard: ObserverGuard
  /** @internal */
  readonly configuration: PoolParts['configuration']
  readonly retryBudget: Budget
  readonly hedging: Hedging
  /** The other threads that carry the traffic of the pool; undefined where this thread carries it. */
  readonly workers: PoolWorkers | undefined
  /** Stores the changes of the pool, where it has a store; see `openBalancer`. */
  keeper: StateKeeper | undefined
  /** @internal */
  readonly parts: PoolParts
  readonly #inquiries: PoolInquiries
  readonly #selection: Selection
  readonly #queue: WaitQueue

  /**
   * @param stored the stored state, which takes precedence over an unchanged configuration; see `openBalancer`
   * @throws {UnknownPolicyError | InvalidBackendError | BackendExistsError}
   */
  constructor(options: BalancerOptions = {}, stored?: StoredPool) {
    const complete = withDefaults({ ...options, ...options.shared?.options })
    const observerGuard = new ObserverGuard(complete.onObserverError)
    super(observerGuard)
    this.observerGuard = observerGuard
    const parts = new PoolParts(complete, observerGuard, stored)
    this.parts = parts
    this.#inquiries = new PoolInquiries(parts, () => parts.isStopped)
    this.#selection = parts.selection
    this.#queue = parts.queue
    ;({ clock: this.clock, registry: this.registry, configuration: this.configuration } = parts)
    ;({ retryBudget: this.retryBudget, hedging: this.hedging, workers: this.workers } = parts)
    parts.onPolicy = () => this.announce('policy', this.policy)
    parts.member?.start(this.#inquiries)
  }

  /** @internal The memory that the threads of the pool share; undefined in a pool with one thread. */
  get table(): PoolTable | undefined {
    const { memory } = this.parts
    return memory.isShared ? memory.table : undefined
  }

  get selector(): Selector {
    return this.#selection.selector
  }

  get policy(): PolicyName {
    return this.selector.name
  }

  /** Switches the policy; counts stay as they are. @throws {UnknownPolicyError | ControlledElsewhereError} */
  set policy(wanted: string) {
    if (this.parts.member) throw new ControlledElsewhereError()
    this.parts.usePolicy(wanted)
  }

  /**
   * Takes the options of another configuration. Counts, health, history, leases and waiting requests are kept. The
   * result is that of a restart: backends and a policy that were set otherwise stay as long as the configuration says
   * the same of them as before. A backend that the configuration does not name any more drains and is removed.
   * @param options those that are left out stay as they are; those that cannot change are ignored
   * @throws {InvalidOptionError | UnknownPolicyError | InvalidBackendError | BackendExistsError |
   *   ControlledElsewhereError} and changes nothing
   */
  configure(options: ConfigurableOptions): ConfigurationChange {
    if (this.parts.member) throw new ControlledElsewhereError()
    const change = this.configuration.change(options)
    this.keeper?.configured(this.configuration.policy)
    if (Object.values(change).some(({ length }) => length > 0)) this.announce('configured', change)
    return change
  }

  /**
   * Chooses a backend and takes a lease on it. The caller has to release the lease.
   * @param except backends that must not be chosen, because this request failed on them before
   * @throws {NoBackendError | AllFullError}
   */
  acquire(except?: ReadonlySet<Backend>): Lease {
    const lease = this.parts.isStopped ? undefined : this.#selection.choose({ except }, false)
    if (lease) return lease
    throw this.hasOther(except) ? new AllFullError() : new NoBackendError()
  }

  /**
   * Gives `request` a lease, at once or in its turn where every backend is full. The request is refused if there is no
   * backend to wait for, if the queue is full, or when it has waited too long.
   * @returns undefined if the request need not wait; otherwise a function that takes it out of the queue, and releases
   *   a lease that was reserved for it meanwhile
   */
  lease(request: LeaseRequest): (() => void) | undefined {
    // Requests that already wait come first.
    if (this.#queue.length > 0) {
      this.#queue.serve()
      if (this.#queue.isFull) this.#queue.relieve()
    }
    const mayTake = !this.parts.isStopped && !this.#queue.isBehindOthers
    const lease = mayTake ? this.#selection.choose(request, !this.#queue.isFull) : undefined
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
   * Like {@link acquire}, but waits in turn where every backend is full, until the signal ends the wait.
   * @throws {NoBackendError | QueueFullError | QueueTimeoutError} or the signal's reason
   */
  acquireInTurn({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<Lease> {
    return leasePromise((request) => this.lease(request), signal)
  }

  /** Counts a request that begins; the budgets of retries and hedges are a part of these requests. */
  requested(): void {
    this.parts.memory.count('requests')
    this.parts.recentRequests.add()
  }

  /** Counts a retry. */
  retried(): void {
    this.parts.memory.count('retries')
  }

  /** Counts a request that was answered with 503 although no backend failed it. */
  refused(code: RefusalCode): void {
    this.parts.memory.count(code)
  }

  /**
   * Takes a second lease for a request that holds one. Returns undefined if that would be at the expense of others,
   * because requests wait or the remaining backends should rest.
   * @param except backends that have the request, or failed it before
   * @param request the request's id, as in {@link decisions}
   */
  leaseForHedge(except: ReadonlySet<Backend>, request?: string, keyed?: KeyTraits): Lease | undefined {
    if (this.parts.isStopped || this.#queue.length > 0) return undefined
    return this.#selection.chooseForHedge(except, { ...keyed, request })
  }

  /** Records that the request that holds this lease was answered later than its hedge. */
  lostToHedge({ backend }: Lease): void {
    if (this.registry.holds(backend)) this.parts.residualLoad.add(backend)
  }

  /** Returns true if there is a backend, not in `except`, that a request may be given to now or later. */
  hasOther(except?: ReadonlySet<Backend>): boolean {
    return !this.parts.isStopped && this.registry.hasOther(except)
  }

  /** Returns true if a request would get a lease now. */
  hasRoom(except?: ReadonlySet<Backend>): boolean {
    return !this.parts.isStopped && this.registry.hasRoom(except)
  }

  /**
   * Predicts what would happen to a request that came now, and why: which backend it would be given, or that it would
   * wait or be refused; and how the backends compare. Nothing changes, not even a later choice. Requests that wait
   * already would come first.
   */
  explain(inquiry: Inquiry = {}): Explanation {
    return this.#inquiries.explain(inquiry)
  }

  /** Like {@link explain}, but asks a worker thread where others carry the traffic: each has turns of its own. */
  explainNext(inquiry: Inquiry = {}): Promise<Explanation> {
    return this.#inquiries.explainNext(inquiry)
  }

  /** Returns the latest choices of this thread, at most 1,000, the latest first. */
  decisions(filter?: DecisionFilter): Decision[] {
    return this.#inquiries.decisions(filter)
  }

  /** Like {@link decisions}, but of all threads that carry traffic of the pool; those that do not answer are left out. */
  everyDecision(filter?: DecisionFilter): Promise<Decision[]> {
    return this.#inquiries.everyDecision(filter)
  }

  /** Returns the state of the pool as a whole. */
  view(): PoolView {
    return this.#inquiries.view(this.closing, this.keeper?.fleet?.status)
  }

  /** Stops the pool once the time for requests in flight is over: cuts every lease, and opens no more. */
  stop(reason: StoppedError): void {
    this.startClosing()
    this.parts.isStopped = true
    this.#queue.close(reason)
    cutAll(this.parts, reason, this.observerGuard)
  }

  /**
   * Closes a pool that gets no new requests, once those that it has are over. What is left after `timeout` milliseconds
   * (by default the time of a drain) is cut.
   */
  async retire(timeout = this.parts.configuration.drainTimeout): Promise<void> {
    this.announceClosing()
    if (!(await untilIdle(this.parts, timeout))) {
      cutElsewhere(this.parts, 'did not answer before the pool was removed')
      this.stop(new StoppedError('the pool was removed'))
    }
    this.close()
  }

  /** Cancels all timers; to be called when no request is in flight any more. */
  close(): void {
    this.startClosing()
    this.#queue.close(new StoppedError('the pool was closed'))
    this.parts.close()
  }
}
