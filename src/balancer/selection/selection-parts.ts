import type { Registry } from '../backends/registry.js'
import type { DecisionLog } from '../explain/decision-log.js'
import type { PassiveHealth } from '../health/passive-health.js'
import type { ShareLimits } from '../health/share-limits.js'
import type { LeaseObserver } from '../leases/lease.js'
import type { FailureFollower } from '../threads/failure-follower.js'
import type { PoolTable } from '../threads/table.js'
import type { Clock } from '../time/clock.js'
import type { KeyCounts } from './affinity/key-counts.js'

/** The parts of a pool that a choice works with. */
export interface SelectionParts {
  readonly registry: Registry
  readonly ejection: PassiveHealth
  readonly limits: ShareLimits
  readonly decisions: DecisionLog
  readonly clock: Clock
  /** The table in which threads that share the pool count; undefined in a pool with one thread. */
  readonly table: PoolTable | undefined
  readonly random: () => number
  readonly leaseObserver: LeaseObserver
  /** How requests with a key are given to their backends; undefined where keys make no difference. */
  affinity: { overload: number } | undefined
  /** Number of requests in flight of each key. */
  readonly keyCounts: KeyCounts
  /** Follows failures in other threads; undefined where there are none. */
  readonly failures: FailureFollower | undefined
}
