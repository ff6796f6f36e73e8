import type { Backend } from './backends/backend.js'
import type { Registry } from './backends/registry.js'
import type { RegistryObserver } from './backends/registry-options.js'
import type { DecisionLog } from './explain/decision-log.js'
import type { FleetPool } from './fleet/fleet-pool.js'
import type { LoadElsewhere } from './fleet/load-elsewhere.js'
import type { FailurePenalty } from './health/failure-penalty.js'
import type { OutcomeJudge } from './health/outcome-judge.js'
import type { PassiveHealth } from './health/passive-health.js'
import type { RefusalOutliers } from './health/refusal-outliers.js'
import type { ShareLimits } from './health/share-limits.js'
import type { SlowStart } from './health/slow-start.js'
import type { Lease, LeaseObserver } from './leases/lease.js'
import type { Outcome } from './leases/outcome.js'
import type { Tunnels } from './leases/tunnels.js'
import type { WaitQueue } from './leases/wait-queue.js'
import type { ResidualLoad } from './resilience/residual-load.js'
import type { KeyCounts } from './selection/affinity/key-counts.js'
import type { Selection } from './selection/selection.js'
import type { PoolWorkers } from './threads/pool-workers.js'

/** The parts of a pool that react to its events. */
export interface ObservingParts {
  readonly registry: Registry
  readonly selection: Selection
  readonly queue: WaitQueue
  readonly decisions: DecisionLog
  readonly judge: OutcomeJudge
  readonly ejection: PassiveHealth
  readonly penalty: FailurePenalty
  readonly limits: ShareLimits
  readonly slowStart: SlowStart
  readonly refusalOutliers: RefusalOutliers
  readonly residualLoad: ResidualLoad
  readonly loadElsewhere: LoadElsewhere
  readonly tunnels: Tunnels
  readonly keyCounts: KeyCounts
  /** The workers that are told of changes; undefined where this thread has none. */
  readonly workers: PoolWorkers | undefined
  /** The gateways that share the pool's store; undefined where there are none. */
  readonly fleet: FleetPool | undefined
}

/** Passes each event of backends and leases on to the parts of the pool that need it, in a fixed order. */
export class PoolObserver implements RegistryObserver, LeaseObserver {
  readonly #parts: ObservingParts

  constructor(parts: ObservingParts) {
    this.#parts = parts
  }

  opened({ backend }: Lease): void {
    const { registry, fleet } = this.#parts
    if (registry.countInFlight(backend, 1)) this.loadChanged(backend)
    if (fleet && backend.isFull) fleet.slots.look()
  }

  answered(lease: Lease, isRefusal: boolean, now: number): void {
    const { residualLoad, ejection, refusalOutliers } = this.#parts
    const { backend } = lease
    if (backend.residualLoad > 0) residualLoad.clear(backend)
    if (ejection.hasHistory) ejection.answered(lease)
    if (backend.isEligible) refusalOutliers.answered(backend, isRefusal, now)
  }

  tunnelBusy(lease: Lease): void {
    this.#parts.tunnels.busy(lease)
  }

  released(lease: Lease, outcome: Outcome): void {
    const { registry, decisions, queue, judge, keyCounts } = this.#parts
    const { backend } = lease
    keyCounts.end(lease)
    if (lease.cause) decisions.failed(lease)
    queue.countDone()
    // A backend that was removed leaves no state behind.
    if (!registry.holds(backend)) {
      registry.lingering.ended(backend)
      return
    }
    judge.judge(lease, outcome)
    // A listener of an ejection may have removed the backend.
    if (!registry.countInFlight(backend, -1)) return
    this.#parts.selection.changed(backend)
    if (queue.length > 0 && !backend.isFull) queue.freed()
    if (backend.inFlight === 0) registry.becameIdle(backend)
  }

  loadChanged(backend: Backend): void {
    const { selection, queue } = this.#parts
    selection.changed(backend)
    if (queue.length > 0 && !backend.isFull) queue.serve()
  }

  eligibleChanged(eligible: readonly Backend[]): void {
    this.#parts.loadElsewhere.eligibleChanged(eligible)
    this.#parts.selection.update(eligible)
  }

  settled(): void {
    const { ejection, queue, workers, fleet } = this.#parts
    // A backend that has a limit now has no slots yet, and must not be given a request before that is known.
    fleet?.slots.backendsChanged()
    ejection.enforceMaxPercent()
    workers?.backendsChanged()
    if (queue.length === 0) return
    queue.freed()
    queue.dismiss()
  }

  /** Backends have another number of slots. */
  slotsChanged(backends: readonly Backend[]): void {
    const { registry, selection, queue } = this.#parts
    for (const backend of backends) {
      registry.slotsChanged(backend)
      selection.changed(backend)
    }
    if (queue.length > 0 && backends.some(({ isFull }) => !isFull)) queue.freed()
  }

  joined(backend: Backend): void {
    if (this.#parts.slowStart.begin(backend)) this.#parts.limits.joined(backend)
  }

  renewed(backend: Backend): void {
    const { penalty, limits, refusalOutliers, ejection, workers } = this.#parts
    workers?.renewed(backend)
    backend.responseTime.forget()
    penalty.forget(backend)
    limits.succeeded(backend)
    refusalOutliers.forget(backend)
    ejection.reset(backend)
  }

  removed(backend: Backend): void {
    const { residualLoad, refusalOutliers, limits, slowStart, penalty, ejection, workers } = this.#parts
    workers?.removed(backend)
    residualLoad.clear(backend)
    refusalOutliers.forget(backend)
    limits.forget(backend)
    slowStart.forget(backend)
    penalty.forget(backend)
    ejection.forget(backend)
  }
}
