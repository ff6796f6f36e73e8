import { tiers } from '../selection/tier.js'
import type { ShareLimit } from './share-limit.js'

/** A backend with less than this penalty factor counts as failing. */
const FAILING_FACTOR = 0.5
/** Limited backends that may be measured again for each request, on average. */
const MEASURED_PER_REQUEST = 8

/** How many eligible backends of a pool are limited and how, and what that means for the limits of all. */
export class LimitCounts {
  /** Eligible backends that have used their share, and are chosen only where no other can be. */
  shareUsed = 0
  /** Eligible backends, limited or not. */
  eligible = 0
  /** Whether all eligible backends are in slow start, as of the last {@link refresh}. */
  allInSlowStart = false
  /** Whether so many backends fail that it is not the backends' fault, as of the last {@link refresh}. */
  mostFail = false
  #inSlowStart = 0
  #failing = 0
  /** Requests, and measurements of single backends, since the last refresh. */
  #eventsSinceRefresh = 0

  /** Counts a limit as it is now, with a change of 1; or takes it off, with -1, before it changes. */
  count({ slowStartFactor, penaltyFactor, weight, backend }: ShareLimit, change: 1 | -1): void {
    if (weight === 0) return
    if (slowStartFactor < 1) this.#inSlowStart += change
    if (penaltyFactor < FAILING_FACTOR) this.#failing += change
    if (backend.tier >= tiers.shareUsed) this.shareUsed += change
  }

  noteEvent(): void {
    this.#eventsSinceRefresh++
  }

  refresh(): void {
    this.allInSlowStart = this.#inSlowStart === this.eligible
    this.mostFail = 2 * this.#failing > this.eligible
    this.#eventsSinceRefresh = 0
  }

  /** No backend is limited any more. */
  reset(): void {
    this.allInSlowStart = false
    this.mostFail = false
  }

  /** Whether all of so many limits should be measured: a fact about all changed, and enough happened to pay for it. */
  needsRefresh(limits: number): boolean {
    const isOutdated =
      this.allInSlowStart !== (this.#inSlowStart === this.eligible) ||
      this.mostFail !== 2 * this.#failing > this.eligible
    return isOutdated && this.#eventsSinceRefresh * MEASURED_PER_REQUEST >= limits
  }
}
