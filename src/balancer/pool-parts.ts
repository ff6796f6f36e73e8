// Over 200 lines: all parts of a pool, each made in one place in an order that matters.
import type { Backend } from './backends/backend.js'
import { Registry } from './backends/registry.js'
import type { RegistryOptions } from './backends/registry-options.js'
import type { BackendRecord, ConfiguredBackend } from './backends/spec.js'
import { DecisionLog } from './explain/decision-log.js'
import type { FleetPool } from './fleet/fleet-pool.js'
import { LoadElsewhere } from './fleet/load-elsewhere.js'
import { FailurePenalty } from './health/failure-penalty.js'
import { OutcomeJudge } from './health/outcome-judge.js'
import type { PassiveHealth } from './health/passive-health.js'
import { RefusalOutliers } from './health/refusal-outliers.js'
import { ShareLimits } from './health/share-limits.js'
import { SlowStart } from './health/slow-start.js'
import { RATE_WINDOW_MS } from './leases/retry-after.js'
import { Tunnels } from './leases/tunnels.js'
import { WaitQueue } from './leases/wait-queue.js'
import type { LocalMemory, RecentCount } from './memory.js'
import type { ObserverGuard } from './observer-guard.js'
import { type CompleteOptions, toRecord } from './options.js'
import {
  affinityOf,
  ejectionOf,
  hedgeOf,
  PoolConfiguration,
  registryOptionsOf,
} from './pool-configuration.js'
import { PoolObserver } from './pool-observer.js'
import { BUDGET_WINDOW_MS, Budget, hedgeAllowance, retryAllowance } from './resilience/budget.js'
import { Hedging } from './resilience/hedging.js'
import { ResidualLoad } from './resilience/residual-load.js'
import { KeyCounts } from './selection/affinity/key-counts.js'
import type { PolicyName } from './selection/policies/index.js'
import { Selection } from './selection/selection.js'
import type { ControlHealth } from './threads/control-health.js'
import type { ControlledPool } from './threads/controlled-pool.js'
import { FailureFollower } from './threads/failure-follower.js'
import { memoryOf } from './threads/memory-of.js'
import { poolHealth } from './threads/pool-health.js'
import { PoolMember } from './threads/pool-member.js'
import { PoolWorkers } from './threads/pool-workers.js'
import { processClock } from './threads/process-clock.js'
import { ReplicaRegistry } from './threads/replica-registry.js'
import type { SharedMemory } from './threads/shared-memory.js'
import { SharedQueues } from './threads/shared-queues.js'
import { type Clock, systemClock } from './time/clock.js'

/** The state with which a pool begins that was stored. */
export interface StoredPool {
  /** The policy in force, which may be another than the configured one. */
  policy: PolicyName
  /** The backends in order of registration. */
  backends: readonly BackendRecord[]
  /** The configuration when the backends were stored, which includes backends that were removed. */
  configuredBefore: readonly ConfiguredBackend[]
}

/** Makes the parts of a pool, in such an order that each can be given the parts that it works with. */
export class PoolParts {
  readonly clock: Clock
  readonly memory: LocalMemory | SharedMemory
  readonly recentRequests: RecentCount
  readonly retryBudget: Budget
  readonly hedging: Hedging
  readonly registry: Registry
  readonly slowStart: SlowStart
  readonly penalty: FailurePenalty
  readonly limits: ShareLimits
  readonly refusalOutliers: RefusalOutliers
  readonly ejection: PassiveHealth
  readonly judge: OutcomeJudge
  readonly decisions: DecisionLog
  readonly keyCounts: KeyCounts
  readonly selection: Selection
  readonly tunnels: Tunnels
  readonly residualLoad: ResidualLoad
  /** What other gateways that share the pool's store have in flight. */
  readonly loadElsewhere: LoadElsewhere
  readonly queue: WaitQueue
  /** The queues of other threads; undefined where no other thread carries traffic of the pool. */
  readonly otherQueues: SharedQueues | undefined
  /** The workers of a pool that this thread controls; undefined where it carries the traffic itself. */
  readonly workers: PoolWorkers | undefined
  /** This worker's part in a pool that another thread controls; undefined in every other pool. */
  readonly member: PoolMember | undefined
  /** Follows failures in other threads; undefined where no other thread carries traffic of the pool. */
  readonly failures: FailureFollower | undefined
  /** Changes the options of the pool. */
  readonly configuration: PoolConfiguration
  readonly observer: PoolObserver
  readonly #controlHealth: ControlHealth | undefined
  /** The pool's part among the gateways that share its store; undefined where there are none. */
  fleet: FleetPool | undefined
  /** True if the pool gives no lease any more. */
  isStopped = false
  /** Called after another policy came into force. */
  onPolicy = () => {}

  /** @throws {UnknownPolicyError | InvalidBackendError | BackendExistsError} */
  constructor(options: CompleteOptions, observerGuard: ObserverGuard, stored: StoredPool | undefined) {
    const memory = memoryOf(options)
    // Threads compare times, so their clocks need one origin.
    const clock = memory.isShared && options.clock === systemClock ? processClock : options.clock
    this.memory = memory
    this.clock = clock
    this.recentRequests = memory.recent('requests', BUDGET_WINDOW_MS, clock)
    const spent = (event: 'retries' | 'hedges') => memory.recent(event, BUDGET_WINDOW_MS, clock)
    this.retryBudget = new Budget(retryAllowance(options.retryBudget), this.recentRequests, spent('retries'))
    const hedgeBudget = new Budget(hedgeAllowance(options.hedgeBudget), this.recentRequests, spent('hedges'))
    this.hedging = new Hedging(hedgeOf(options), hedgeBudget, clock, memory)

    this.penalty = new FailurePenalty(options.failureDecay)
    this.slowStart = new SlowStart(options.slowStart, clock)
    this.limits = new ShareLimits(this.slowStart, this.penalty, {
      clock,
      meanInFlight: () => this.registry.inFlight / Math.max(1, this.registry.eligible.length),
      retiered: (backend) => this.selection.retiered(backend),
    })
    const { shared } = options
    if (memory.isShared && !shared) {
      const workers = new PoolWorkers(memory.table, clock, observerGuard, () => this.#controlled)
      this.workers = workers
      // The first block is there before any worker.
      memory.table.blocks.each((block, index) => index > 0 && workers.tell({ kind: 'rows', index, block }))
    }
    const registryOptions: RegistryOptions = {
      ...options,
      memory,
      clock,
      observerGuard,
      otherThreads: this.workers,
      ...registryOptionsOf(options),
      shareSource: { shareOf: (backend) => this.limits.shareOf(backend, clock.now()) },
    }
    const replica = shared && new ReplicaRegistry(registryOptions)
    this.registry = replica ?? new Registry(registryOptions)
    const { random } = options
    const loadChanged = (backend: Backend) => this.selection.changed(backend)
    this.loadElsewhere = new LoadElsewhere(this.registry, clock, random, options.fleetCounts, loadChanged)
    this.refusalOutliers = new RefusalOutliers((backend, isOutlier) => this.limits.cap(backend, isOutlier))
    const { ejection, control } = poolHealth(ejectionOf(options), {
      memory,
      registry: this.registry,
      replica,
      clock,
      onProbeDue: () => this.queue.freed(),
      tell: (message) => this.member?.tell(message),
    })
    this.ejection = ejection
    this.#controlHealth = control
    this.judge = new OutcomeJudge(this.ejection, this.penalty, this.limits, clock)

    // The first backends have no slow start, and the policy learns of them all at once, because no observer is set yet.
    if (replica && shared && memory.isShared) {
      this.member = new PoolMember(shared, memory.table, {
        registry: replica,
        clock,
        usePolicy: (name) => this.usePolicy(name),
        useOptions: (changed) => this.configuration.follow(changed),
        renewed: (backend) => this.observer.renewed(backend),
      })
      this.failures = new FailureFollower(memory.news, {
        limits: this.limits,
        clock,
        list: () => replica.list(),
        at: (row) => replica.at(row),
      })
    } else {
      this.registry.batch(() => {
        if (stored) this.registry.sync('store', stored.backends)
        this.registry.sync('config', options.backends.map(toRecord), stored?.configuredBefore)
      })
    }
    this.observer = new PoolObserver(this)
    this.decisions = new DecisionLog(clock)
    this.keyCounts = memory.isShared ? memory.table.keyCounts(memory.worker) : KeyCounts.local()
    this.selection = new Selection(shared?.policy ?? stored?.policy ?? options.policy, {
      ...this,
      random,
      table: memory.isShared ? memory.table : undefined,
      leaseObserver: this.observer,
      affinity: affinityOf(options),
    })
    this.tunnels = new Tunnels(clock)
    this.residualLoad = new ResidualLoad(clock, loadChanged)
    if (memory.isShared) {
      this.otherQueues = new SharedQueues(memory.table, memory.worker, clock, this)
    }
    this.queue = new WaitQueue(
      { limit: options.queueLimit, timeout: options.queueTimeout },
      {
        clock,
        source: this.selection,
        observerGuard,
        done: memory.recent('done', RATE_WINDOW_MS, clock),
        others: this.otherQueues,
        onJoin: () => this.fleet?.slots.look(),
      },
    )
    this.registry.observer = this.observer
    this.configuration = new PoolConfiguration(this, options)
    this.failures?.begin()
  }

  /** @throws {UnknownPolicyError} */
  usePolicy(name: string): void {
    const before = this.selection.selector.name
    this.selection.use(name)
    if (this.selection.selector.name === before) return
    this.workers?.tell({ kind: 'policy', name })
    this.onPolicy()
  }

  /** Cancels all timers. */
  close(): void {
    this.fleet?.close()
    this.member?.close()
    this.otherQueues?.close()
    this.ejection.close()
    this.limits.close()
    this.tunnels.close()
    this.hedging.close()
    this.residualLoad.close()
    this.loadElsewhere.close()
    this.registry.close()
    // Whoever waits for the workers finds that the registry has closed.
    this.workers?.close()
  }

  /** The pool as its workers need it. */
  get #controlled(): ControlledPool {
    const { registry, selection } = this
    return {
      registry,
      policy: selection.selector.name,
      options: this.configuration.changedSoFar,
      heard: (message, backend) => {
        if (message.kind === 'host') backend.clientHost = message.host
        else if (message.kind === 'idle' && backend.inFlight === 0) registry.becameIdle(backend)
        else this.#controlHealth?.heard(message, backend)
      },
      forgotten: ({ row }) => this.memory.forget(row),
      freed: (worker) => {
        this.#controlHealth?.freed(worker)
        this.otherQueues?.ended(worker)
        this.queue.freed()
      },
    }
  }
}
