import type { Backend } from './backends/backend.js'
import { Registry, type RegistryObserver } from './backends/registry.js'
import { AllFullError, NoBackendError, StoppedError } from './errors.js'
import { type Decision, type DecisionFilter, DecisionLog } from './explain/decision-log.js'
import { type Explanation, explain, type Inquiry } from './explain/explanation.js'
import { Ejection } from './health/ejection.js'
import { FailurePenalty } from './health/failure-penalty.js'
import { RefusalOutliers } from './health/refusal-outliers.js'
import { ShareLimits } from './health/share-limits.js'
import { SlowStart } from './health/slow-start.js'
import type { Lease, Outcome } from './leases/lease.js'
import { grant, type LeaseRequest } from './leases/lease-request.js'
import { Tunnels } from './leases/tunnels.js'
import { WaitQueue } from './leases/wait-queue.js'
import { GuardedEmitter, ObserverGuard } from './observer-guard.js'
import { type BalancerOptions, withDefaults } from './options.js'
import { Budget, hedgeAllowance, recentRequests, retryAllowance } from './resilience/budget.js'
import { Hedging } from './resilience/hedging.js'
import { ResidualLoad } from './resilience/residual-load.js'
import type { PolicyName } from './selection/policies/index.js'
import { Selection, type Selector } from './selection/selection.js'
import type { StateKeeper } from './state/keeper.js'
import { type RefusalCode, type RefusalCounts, Refusals } from './stats/refusals.js'
import type { SlidingCount } from './stats/sliding-count.js'
import type { Clock } from './time/clock.js'

/** How a pool is, as a whole. */
export interface PoolView {
  policy: PolicyName
  /** Registered backends. */
  backends: number
  /** Backends that requests are given to now. */
  eligible: number
  /** Health leaves too little, and is ignored. */
  panic: boolean
  inFlight: number
  queue: { length: number; limit: number }
  /** So far: requests that were given to a backend, further tries after a failure, and second ones at the same time. */
  requests: number
  retries: number
  hedges: number
  /** Requests that clients were answered 503 for so far, by the code of the error. */
  refused: RefusalCounts
  closing: boolean
}

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
  readonly #requests: SlidingCount
  readonly #ejection: Ejection
  readonly #penalty: FailurePenalty
  readonly #slowStart: SlowStart
  readonly #refusalOutliers: RefusalOutliers
  readonly #limits: ShareLimits
  readonly #overtaken: ResidualLoad
  readonly #tunnels: Tunnels
  readonly #decisions: DecisionLog
  readonly #selection: Selection
  readonly #queue: WaitQueue
  readonly #refusals = new Refusals()
  #requested = 0
  #retried = 0
  #closing = false
  #endsConnections = false
  #stopped = false

  /** @throws {UnknownPolicyError | InvalidBackendError | BackendExistsError} */
  constructor(options: BalancerOptions = {}) {
    const { clock, random, backends, policy, onObserverError, ...rest } = withDefaults(options)
    const onlookers = new ObserverGuard(onObserverError)
    super(onlookers)
    this.observerGuard = onlookers
    this.clock = clock
    this.#requests = recentRequests(clock)
    this.retryBudget = new Budget(retryAllowance(rest.retryBudget), this.#requests, clock)
    const hedges = new Budget(hedgeAllowance(rest.hedgeBudget), this.#requests, clock)
    this.hedging = new Hedging(rest.hedgeBudget === 0 ? 'off' : rest.hedge, hedges, clock)
    this.registry = new Registry({ clock, onlookers, ...rest })
    this.#penalty = new FailurePenalty(rest.failureDecay)
    this.#slowStart = new SlowStart(rest.slowStart, clock)
    this.#limits = new ShareLimits(this.#slowStart, this.#penalty, {
      clock,
      meanInFlight: () => this.registry.inFlight / Math.max(1, this.registry.eligible.length),
      retiered: (backend) => this.#selection.retiered(backend),
    })
    this.#refusalOutliers = new RefusalOutliers((backend, isOutlier) => this.#limits.cap(backend, isOutlier))
    this.#ejection = new Ejection(
      this.registry,
      {
        consecutive: rest.ejectConsecutive,
        base: rest.ejectBase,
        max: rest.ejectMax,
        maxPercent: rest.ejectMaxPercent,
      },
      clock,
      () => this.#queue.serve(),
    )
    // None of them begins on a ramp, and the policy learns of them all at once.
    this.registry.batch(() => {
      for (const backend of backends)
        this.registry.add(typeof backend === 'string' ? { url: backend } : backend)
    })
    this.#decisions = new DecisionLog(clock)
    this.#selection = new Selection(
      policy,
      this.registry,
      this.#ejection,
      this.#limits,
      this.#decisions,
      clock,
      random,
    )
    this.#tunnels = new Tunnels(clock)
    this.#overtaken = new ResidualLoad(clock, (backend) => this.#selection.changed(backend))
    const { registry } = this
    const ejection = this.#ejection
    this.#queue = new WaitQueue(
      { limit: rest.queueLimit, timeout: rest.queueTimeout },
      clock,
      {
        choose: (demand, patient, since) => this.#selection.choose(demand, patient, since),
        hasOther: (except) => this.hasOther(except),
        get any() {
          return registry.hasRoom() || ejection.anyDue || registry.standby.length > 0
        },
      },
      onlookers,
    )
    this.registry.observer = this.#observer()
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
   * Chooses a backend and holds it. Whoever gets the lease has to see to its release.
   * @param except backends that are not to be chosen: those on which this request failed before
   * @throws {NoBackendError | AllFullError}
   */
  acquire(except?: ReadonlySet<Backend>): Lease {
    const lease = this.#stopped ? undefined : this.#selection.choose({ except }, false)
    if (lease) return lease
    throw this.hasOther(except) ? new AllFullError() : new NoBackendError()
  }

  /**
   * Gives `taker` a lease: at once, or in its turn where every backend is full. It is refused where there is
   * none to wait for, where too many wait, and where it has waited too long.
   * @returns where it has to wait: leaves the queue, with whatever it was given meanwhile
   */
  lease(taker: LeaseRequest): (() => void) | undefined {
    // Those in line come first.
    if (this.#queue.length > 0) {
      this.#queue.serve()
      if (this.#queue.isFull) this.#queue.relieve()
    }
    const lease = this.#stopped ? undefined : this.#selection.choose(taker, !this.#queue.isFull)
    if (lease) {
      grant(taker, lease)
      return undefined
    }
    try {
      if (!this.hasOther(taker.except)) throw new NoBackendError()
      return this.#queue.join(taker)
    } catch (error) {
      taker.onReject(error as Error)
      return undefined
    }
  }

  /**
   * Like {@link acquire}, but waits in turn where every backend is full.
   * @param options `signal` gives up waiting
   * @throws {NoBackendError | QueueFullError | QueueTimeoutError} or the signal's reason
   */
  acquireInTurn({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<Lease> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      const over = () => signal?.removeEventListener('abort', giveUp)
      const leave = this.lease({
        onLease(lease) {
          over()
          resolve(lease)
        },
        onReject(error) {
          over()
          reject(error)
        },
      })
      function giveUp() {
        leave?.()
        reject(signal?.reason)
      }
      if (leave) signal?.addEventListener('abort', giveUp, { once: true })
    })
  }

  /** A request begins, of which further tries are a part that has its limits. */
  requested(): void {
    this.#requested++
    this.#requests.add()
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
    return this.#selection.spare(except, request)
  }

  /** A request was answered by a backend that was asked later than that of this lease. */
  overtaken({ backend }: Lease): void {
    if (this.registry.holds(backend)) this.#overtaken.add(backend)
  }

  /** Whether there is any backend to wait for, but for some. */
  hasOther(except?: ReadonlySet<Backend>): boolean {
    if (this.#stopped) return false
    const { registry } = this
    // A request that has failed on all others may be given to a backup.
    return (
      registry.hasEligible(except) ||
      (except !== undefined && registry.standby.some((one) => !except.has(one)))
    )
  }

  /** Whether a request would get a lease now. */
  hasRoom(except?: ReadonlySet<Backend>): boolean {
    if (this.#stopped) return false
    const { registry } = this
    if (registry.hasRoom(except)) return true
    if (!except || registry.hasEligible(except)) return false
    return registry.standby.some((backup) => !backup.isFull && !except.has(backup))
  }

  /**
   * What would become of a request that came now, and why: which backend it would be given to, or that it would wait,
   * or be refused; and how each backend stands. Nothing is changed by that, no later choice either. Where requests
   * wait already, they come first.
   */
  explain(inquiry: Inquiry = {}): Explanation {
    const patient = inquiry.waits !== false && !this.#queue.isFull
    return explain(inquiry, {
      prospect: this.#selection.preview(inquiry, patient),
      policy: this.policy,
      registry: this.registry,
      ejection: this.#ejection,
      limits: this.#limits,
      queue: this.#queue,
      clock: this.clock,
      stopped: this.#stopped,
      hasOther: this.hasOther(inquiry.except),
    })
  }

  /** The latest choices, 1,000 at most, the latest of all first. */
  decisions(filter?: DecisionFilter): Decision[] {
    return this.#decisions.list(filter)
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
    this.#ejection.close()
    this.#limits.close()
    this.#tunnels.close()
    this.hedging.close()
    this.#overtaken.close()
    this.registry.close()
  }

  #observer(): RegistryObserver {
    return {
      eligible: (eligible) => this.#selection.update(eligible),
      settled: () => {
        this.#ejection.enforceMaxPercent()
        if (this.#queue.length === 0) return
        this.#queue.serve()
        this.#queue.dismiss()
      },
      inFlight: (backend) => {
        this.#selection.changed(backend)
        if (this.#queue.length > 0 && !backend.isFull) this.#queue.serve()
      },
      answered: (lease, isRefusal, now) => {
        const { backend } = lease
        this.#overtaken.clear(backend)
        this.#ejection.answered(lease)
        if (backend.isEligible) this.#refusalOutliers.answered(backend, isRefusal, now)
      },
      released: (lease, outcome) => this.#judge(lease, outcome),
      tunnelBusy: (lease) => this.#tunnels.busy(lease),
      joined: (backend) => {
        if (this.#slowStart.begin(backend)) this.#limits.joined(backend)
      },
      renewed: (backend) => {
        backend.responseTime.forget()
        this.#penalty.forget(backend)
        this.#limits.succeeded(backend)
        this.#refusalOutliers.forget(backend)
        this.#ejection.reset(backend)
      },
      removed: (backend) => {
        this.#overtaken.clear(backend)
        this.#refusalOutliers.forget(backend)
        this.#limits.forget(backend)
        this.#slowStart.forget(backend)
        this.#penalty.forget(backend)
        this.#ejection.forget(backend)
      },
      shareOf: (backend) => this.#limits.shareOf(backend, this.clock.now()),
    }
  }

  /** What a request says of its backend. What somebody else ended says nothing bad. */
  #judge(lease: Lease, outcome: Outcome): void {
    const { backend } = lease
    if (lease.cause) this.#decisions.failed(lease)
    this.#queue.freed()
    // Nothing is to be kept of one that was removed.
    if (!this.registry.holds(backend)) return
    if (lease.awaitedSince !== undefined) {
      const now = this.clock.now()
      // Whoever tells no more than that it is done has been answered by now.
      if (outcome === 'ok') lease.answered(now)
      else backend.responseTime.atLeast(now - lease.awaitedSince, now)
    }
    if (outcome === 'failed' || outcome === 'doubtful') {
      if (this.#penalty.failed(backend, this.clock.now())) this.#limits.failed(backend)
      // A client that provokes one backend provokes all, and then there is no penalty; an ejection there would be.
      if (outcome === 'failed') this.#ejection.failed(lease)
      else this.#ejection.cancelled(lease)
    } else if (outcome === 'ok' || lease.answeredWell) {
      if (this.#penalty.any && this.#penalty.succeeded(backend, this.clock.now()))
        this.#limits.succeeded(backend)
      this.#ejection.succeeded(lease)
    } else {
      this.#ejection.cancelled(lease)
    }
  }
}
