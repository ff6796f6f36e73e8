import type { ListNode } from '../../../../balancer/structures/linked-list.js'

/** What a pool notes of one of its connections. Times are monotonic milliseconds. */
export class PoolEntry<Connection> implements ListNode<Connection> {
  /** The neighbours in the list of idle connections. */
  previous: Connection | undefined
  next: Connection | undefined
  /** True if the connection is in the list of idle connections. */
  isIdle = false
  /** Time until which the idle connection is kept. */
  keptUntil = 0
  /** Time from which on the connection takes no further request. */
  agedAt = Number.POSITIVE_INFINITY
}
