import type { LookupAddress } from 'node:dns'
import type { LookupJob } from './lookup-queue.js'
import type { UnresolvedError } from './unresolved-error.js'

/** Receives the addresses of a name, or the error for which there are none. */
export type Waiter = (error: UnresolvedError | undefined, addresses: readonly LookupAddress[]) => void

/**
 * Called with the reason why a name that was never resolved cannot be resolved, and with undefined once the name is
 * resolved.
 */
export type Watcher = (reason: string | undefined) => void

/** A name and what is known about it. Times are monotonic milliseconds. */
export interface Name extends LookupJob {
  /** The addresses of the last successful look-up. They are kept whatever the results of later look-ups are. */
  addresses: readonly LookupAddress[] | undefined
  answeredAt: number
  /** True if a connection to these addresses has failed since they were found. */
  isDoubted: boolean
  /** Time at which the look-up under way was queued, in monotonic milliseconds; undefined if none is under way. */
  begunAt: number | undefined
  /** The error of the last look-up if that failed; `failedAt` is the time of the error. */
  failure: UnresolvedError | undefined
  failedAt: number
  /** Number of look-ups that have failed in a row. */
  failures: number
  readonly waiters: Set<Waiter>
  readonly watchers: Set<Watcher>
  /** Cancels the timer that reports a slow look-up or starts the next look-up. */
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
