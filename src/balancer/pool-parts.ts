import { Registry } from './backends/registry.js'
import type { BackendRecord, ConfiguredBackend } from './backends/spec.js'
import { DecisionLog } from './explain/decision-log.js'
import { Ejection } from './health/ejection.js'
import { FailurePenalty } from './health/failure-penalty.js'
import { OutcomeJudge } from './health/outcome-judge.js'
import { RefusalOutliers } from './health/refusal-outliers.js'
import { ShareLimits } from './health/share-limits.js'
import { SlowStart } from './health/slow-start.js'
import { Tunnels } from './leases/tunnels.js'
import { WaitQueue } from './leases/wait-queue.js'
import type { ObserverGuard } from './observer-guard.js'
import { type CompleteOptions, toRecord } from './options.js'
import { PoolObserver } from './pool-observer.js'
import { Budget, hedgeAllowance, recentRequests, retryAllowance } from './resilience/budget.js'
import { Hedging } from './resilience/hedging.js'
import { ResidualLoad } from './resilience/residual-load.js'
import { Selection } from './selection/selection.js'
import type { SlidingCount } from './stats/sliding-count.js'
import type { Clock } from './time/clock.js'

/** The stored state of the backends of a pool. */
export interface StoredBackends {
  /** The backends in order of registration. */
  backends: readonly BackendRecord[]
  /** The configuration when the backends were stored, which includes backends that were removed. */
  configuredBefore: readonly ConfiguredBackend[]
}

/** Makes the parts of a pool, in such an order that each can be given the parts that it works with. */
export class PoolParts {
  readonly clock: Clock
  readonly recentRequests: SlidingCount
  readonly retryBudget: Budget
  readonly hedging: Hedging
  readonly registry: Registry
  readonly slowStart: SlowStart
  readonly penalty: FailurePenalty
  readonly limits: ShareLimits
  readonly refusalOutliers: RefusalOutliers
  readonly ejection: Ejection
  readonly judge: OutcomeJudge
  readonly decisions: DecisionLog
  readonly selection: Selection
  readonly tunnels: Tunnels
  readonly residualLoad: ResidualLoad
  readonly queue: WaitQueue

  /** @throws {UnknownPolicyError | InvalidBackendError | BackendExistsError} */
  constructor(options: CompleteOptions, observerGuard: ObserverGuard, stored: StoredBackends | undefined) {
    const { clock } = options
    this.clock = clock
    this.recentRequests = recentRequests(clock)
    this.retryBudget = new Budget(retryAllowance(options.retryBudget), this.recentRequests, clock)
    const hedgeBudget = new Budget(hedgeAllowance(options.hedgeBudget), this.recentRequests, clock)
    this.hedging = new Hedging(options.hedgeBudget === 0 ? 'off' : options.hedge, hedgeBudget, clock)

    this.penalty = new FailurePenalty(options.failureDecay)
    this.slowStart = new SlowStart(options.slowStart, clock)
    this.limits = new ShareLimits(this.slowStart, this.penalty, {
      clock,
      meanInFlight: () => this.registry.inFlight / Math.max(1, this.registry.eligible.length),
      retiered: (backend) => this.selection.retiered(backend),
    })
    this.registry = new Registry({
      ...options,
      observerGuard,
      shareSource: { shareOf: (backend) => this.limits.shareOf(backend, clock.now()) },
    })
    this.refusalOutliers = new RefusalOutliers((backend, isOutlier) => this.limits.cap(backend, isOutlier))
    this.ejection = new Ejection(
      this.registry,
      {
        consecutive: options.ejectConsecutive,
        base: options.ejectBase,
        max: options.ejectMax,
        maxPercent: options.ejectMaxPercent,
      },
      clock,
      () => this.queue.serve(),
    )
    this.judge = new OutcomeJudge(this.ejection, this.penalty, this.limits, clock)

    // The first backends have no slow start, and the policy learns of them all at once, because no observer is set yet.
    this.registry.batch(() => {
      if (stored) this.registry.sync('store', stored.backends)
      this.registry.sync('config', options.backends.map(toRecord), stored?.configuredBefore)
    })
    const observer = new PoolObserver(this)
    this.decisions = new DecisionLog(clock)
    this.selection = new Selection(
      options.policy,
      this.registry,
      this.ejection,
      this.limits,
      this.decisions,
      clock,
      options.random,
      observer,
    )
    this.tunnels = new Tunnels(clock)
    this.residualLoad = new ResidualLoad(clock, (backend) => this.selection.changed(backend))
    this.queue = new WaitQueue(
      { limit: options.queueLimit, timeout: options.queueTimeout },
      clock,
      this.selection,
      observerGuard,
    )
    this.registry.observer = observer
  }

  /** Cancels all timers. */
  close(): void {
    this.ejection.close()
    this.limits.close()
    this.tunnels.close()
    this.hedging.close()
    this.residualLoad.close()
    this.registry.close()
  }
}
