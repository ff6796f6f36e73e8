import type { Balancer } from '../../balancer/balancer.js'
import type { Forwarding } from '../upstream/forwarding.js'
import type { CopyBudget } from './copy-budget.js'

/** What became of a request that was to be copied: no copy of a `dropped` one was sent; a backend answered a `sent` one. */
export type MirrorOutcome = 'sent' | 'failed' | 'dropped'

export interface MirrorOptions {
  /** Part of the requests that is copied, from 0 to 100. */
  percent: number
  /** Largest body of a request that is copied, in bytes. */
  maxBody: number
  /** The pool that gets the copies. */
  balancer: Balancer
  forwarding: Forwarding
  budget: CopyBudget
  count(outcome: MirrorOutcome): void
  /** Returns numbers from 0 to below 1. */
  random(): number
}
