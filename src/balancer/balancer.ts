import type { Backend, BackendSpec } from './backend.js'
import { type Clock, systemClock } from './clock.js'
import { Ejection } from './ejection.js'
import { AllFullError, NoBackendError, UnknownPolicyError } from './errors.js'
import { FailurePenalty } from './failure-penalty.js'
import type { Lease, Outcome } from './lease.js'
import type { PanicMode } from './panic.js'
import { isPolicyName, type PolicyName, policies, policyNames } from './policies/index.js'
import type { Policy } from './policies/policy.js'
import { type Demand, Queue, type Taker } from './queue.js'
import { Registry, type RegistryObserver } from './registry.js'
import { RetryBudget } from './retry-budget.js'
import { ShareLimits } from './share-limits.js'
import { SlowStart } from './slow-start.js'

/** All times in milliseconds. */
export interface BalancerOptions {
  /** Registered at the start: URLs or whole descriptions. */
  backends?: readonly (string | BackendSpec)[] | undefined
  /** `least-connections` by default. */
  policy?: string | undefined
  /** Limit of a backend that is registered without one; 0, the default, for none. */
  maxConnections?: number | undefined
  /** Requests that may wait while every backend is at its limit; 1,000 by default, 0 for none. */
  queueLimit?: number | undefined
  /** How long they may wait; 5,000 by default. */
  queueTimeout?: number | undefined
  /** Ramp of a backend that is registered later, activated or well again; 10,000 by default, 0 for none. */
  slowStart?: number | undefined
  /** Failures in a row that eject a backend; 5 by default. */
  ejectConsecutive?: number | undefined
  /** First ejection; 10,000 by default. */
  ejectBase?: number | undefined
  /** Longest ejection; 300,000 by default. */
  ejectMax?: number | undefined
  /** Ceiling of ejected backends in percent; 50 by default, 0 for no ejection. */
  ejectMaxPercent?: number | undefined
  /** Time in which a failure penalty falls to a third; 10,000 by default, 0 for no penalty. */
  failureDecay?: number | undefined
  /** Whom to fall back on when too few are usable; `ejected` by default. */
  panic?: PanicMode | undefined
  /** Percentage of usable backends below which are too few; 0, the default, for when none is left. */
  panicThreshold?: number | undefined
  /** How long requests in flight may take on a drain; 30,000 by default. */
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
  closing: boolean
}

/** A pool: the backends, the policy that chooses among them, and the leases that count. */
export class Balancer {
  readonly registry: Registry
  readonly clock: Clock
  readonly retryBudget: RetryBudget
  readonly #random: () => number
  readonly #ejection: Ejection
  readonly #penalty: FailurePenalty
  readonly #slowStart: SlowStart
  readonly #limits: ShareLimits
  readonly #queue: Queue
  #policy!: Policy
  #selector!: Selector
  /** Of the eligible backends. */
  #totalWeight = 0
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
      panic: options.panic ?? 'ejected',
      panicThreshold: options.panicThreshold ?? 0,
    })
    this.#penalty = new FailurePenalty(options.failureDecay ?? 10_000)
    this.#slowStart = new SlowStart(options.slowStart ?? 10_000, this.clock)
    this.#limits = new ShareLimits(this.#slowStart, this.#penalty)
    this.#ejection = new Ejection(
      this.registry,
      {
        consecutive: options.ejectConsecutive ?? 5,
        base: options.ejectBase ?? 10_000,
        max: options.ejectMax ?? 300_000,
        maxPercent: options.ejectMaxPercent ?? 50,
      },
      this.clock,
      () => this.#queue.serve(),
    )
    this.#queue = new Queue(
      { limit: options.queueLimit ?? 1000, timeout: options.queueTimeout ?? 5000 },
      this.clock,
      (demand, patient) => this.#choose(demand, patient),
      () => this.registry.eligible.filter((backend) => !backend.isFull),
    )
    for (const backend of options.backends ?? []) {
      // None of them begins on a ramp.
      this.registry.add(typeof backend === 'string' ? { url: backend } : backend)
    }
    // The policy learns of them all at once.
    this.policy = options.policy ?? 'least-connections'
    this.registry.observer = this.#observer()
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
    this.#policy = new policies[wanted](this.#random)
    this.#selector = { name: wanted, pick: () => this.#pick(this.clock.now(), undefined, false) }
    this.#update(this.registry.eligible)
  }

  /**
   * Chooses a backend and holds it. Whoever gets the lease has to see to its release.
   * @param except backends that are not to be chosen: those on which this request failed before
   * @throws {NoBackendError | AllFullError}
   */
  acquire(except?: ReadonlySet<Backend>): Lease {
    const lease = this.#stopped ? undefined : this.#choose({ except }, false)
    if (lease) return lease
    throw this.hasOther(except) ? new AllFullError() : new NoBackendError()
  }

  /**
   * Gives `taker` a lease: at once, or in its turn where every backend is full. It is refused where there is
   * none to wait for, where too many wait, and where it has waited too long.
   * @returns where it has to wait: leaves the queue, with whatever it was given meanwhile
   */
  lease(taker: Taker): (() => void) | undefined {
    const lease = this.#stopped ? undefined : this.#choose(taker, !this.#queue.isFull)
    if (lease) {
      taker.granted(lease)
      return undefined
    }
    try {
      if (!this.hasOther(taker.except)) throw new NoBackendError()
      return this.#queue.join(taker)
    } catch (error) {
      taker.refused(error as Error)
      return undefined
    }
  }

  /**
   * Like {@link acquire}, but waits in turn where every backend is full.
   * @param options.signal gives up
   * @throws {NoBackendError | QueueFullError | QueueTimeoutError} or the signal's reason
   */
  acquireInTurn({ signal }: { signal?: AbortSignal | undefined } = {}): Promise<Lease> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      const over = () => signal?.removeEventListener('abort', giveUp)
      const leave = this.lease({
        granted(lease) {
          over()
          resolve(lease)
        },
        refused(error) {
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

  /** Whether there is any backend to wait for, but for some. */
  hasOther(except?: ReadonlySet<Backend>): boolean {
    return !this.#stopped && this.registry.eligible.some((backend) => !except?.has(backend))
  }

  /** Whether a request would get a lease now. */
  hasRoom(except?: ReadonlySet<Backend>): boolean {
    const fits = (backend: Backend) => !backend.isFull && !except?.has(backend)
    return !this.#stopped && this.registry.eligible.some(fits)
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
      closing: this.#closing,
    }
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
    this.#queue.close(new NoBackendError())
    for (const backend of this.registry.list()) backend.leases.cutAll(reason)
  }

  /** Drops all timers; to be called when no request is in flight any more. */
  close(): void {
    this.#closing = true
    this.#queue.close(new NoBackendError())
    this.#ejection.close()
    this.registry.close()
  }

  #observer(): RegistryObserver {
    return {
      eligible: (eligible) => this.#update(eligible),
      settled: () => {
        this.#ejection.review()
        this.#queue.serve()
      },
      inFlight: (backend) => {
        this.#policy.changed?.(backend)
        if (this.#queue.length > 0 && !backend.isFull) this.#queue.serve()
      },
      answered: (lease) => this.#ejection.answered(lease),
      released: (lease, outcome) => this.#judge(lease, outcome),
      joined: (backend) => {
        if (this.#slowStart.begin(backend)) this.#limits.joined(backend)
      },
      renewed: (backend) => {
        this.#penalty.forget(backend)
        this.#ejection.pardon(backend)
      },
      removed: (backend) => {
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
    this.#queue.freed()
    if (outcome === 'failed') {
      if (this.#penalty.failed(backend, this.clock.now())) this.#limits.failed(backend)
      this.#ejection.failed(lease)
    } else if (outcome === 'ok' || lease.answeredWell) {
      if (this.#penalty.any) this.#penalty.succeeded(backend, this.clock.now())
      this.#ejection.succeeded(lease)
    } else {
      this.#ejection.cancelled(lease)
    }
  }

  #update(eligible: readonly Backend[]): void {
    this.#policy.update(eligible)
    this.#totalWeight = eligible.reduce((sum, { weight }) => sum + weight, 0)
  }

  #choose(demand: Demand, patient: boolean): Lease | undefined {
    const now = this.clock.now()
    const due = this.#ejection.due(demand)
    if (due) {
      const trial = due.leases.open(due, now)
      this.#ejection.try(trial)
      return trial
    }
    const backend = this.#pick(now, demand.except, patient)
    return backend?.leases.open(backend, now)
  }

  #pick(now: number, except: ReadonlySet<Backend> | undefined, patient: boolean): Backend | undefined {
    if (!this.#limits.any) return this.#policy.pick(except)
    const { eligible } = this.registry
    const barred = this.#limits.barred(now, eligible.length)
    let backend = this.#policy.pick(union(barred, except))
    if (!backend && barred.size > 0) {
      // One that should rest is better than none, but not always better than to wait for one that is full.
      const full = patient && eligible.some((one) => !barred.has(one) && !except?.has(one))
      const resting = full ? this.#limits.resting(now, this.registry.inFlight / eligible.length) : NOBODY
      backend = this.#policy.pick(union(resting, except))
    }
    if (backend) this.#limits.chosen(backend, now, this.#part)
    return backend
  }

  /** Which part of the requests is a backend's fair share. */
  readonly #part = ({ weight }: Backend): number =>
    this.#policy.ignoresWeight ? 1 / this.registry.eligible.length : weight / this.#totalWeight
}

const NOBODY: ReadonlySet<Backend> = new Set()

function union(one: ReadonlySet<Backend>, other: ReadonlySet<Backend> | undefined): ReadonlySet<Backend> {
  return other ? new Set([...one, ...other]) : one
}
