import type { LookupAddress } from 'node:dns'
import type { LookupJob } from './lookup-queue.js'
import type { UnresolvedError } from './unresolved-error.js'

/** Receives the addresses of a name, or the reason why there are none. */
export type Waiter = (error: UnresolvedError | undefined, addresses: readonly LookupAddress[]) => void

/**
 * Called with the reason why a name that was never resolved cannot be resolved, and with undefined once it is resolved.
 */
export type Watcher = (reason: string | undefined) => void

/** The known facts about a name. Times are monotonic milliseconds. */
export interface Name extends LookupJob {
  /** The last good answer. It is kept whatever the results of later look-ups are. */
  addresses: readonly LookupAddress[] | undefined
  answeredAt: number
  /** Whether a connection to these addresses has failed since. */
  isDoubted: boolean
  /** When the look-up under way was queued. */
  begunAt: number | undefined
  /** Why the last look-up failed, and when. */
  failure: UnresolvedError | undefined
  failedAt: number
  /** Look-ups that have failed in a row. */
  failures: number
  readonly waiters: Set<Waiter>
  readonly watchers: Set<Watcher>
  /** Cancels the timer of a slow look-up or of the next one. */
  cancelTimer: () => void
}

export function newName(name: string): Name {
  return {
    name,
    isHanging: false,
    addresses: undefined,
    answeredAt: 0,
    isDoubted: false,
    begunAt: undefined,
    failure: undefined,
    failedAt: 0,
    failures: 0,
    waiters: new Set(),
    watchers: new Set(),
    cancelTimer() {},
  }
}
