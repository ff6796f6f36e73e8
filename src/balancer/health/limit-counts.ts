import { tiers } from '../selection/tier.js'
import type { ShareLimit } from './share-limit.js'

/** A backend with a penalty factor below this counts as failing. */
const FAILING_FACTOR = 0.5
/** Number of limited backends that may be measured again per request, on average. */
const MEASURED_PER_REQUEST = 8

/**
 * Counts how many eligible backends of a pool are limited and in which way, and derives what that means for all limits.
 */
export class LimitCounts {
  /** Number of eligible backends that have used their share, and are chosen only where no other can be. */
  shareUsed = 0
  /** Number of eligible backends, limited or not. */
  eligible = 0
  /** True if all eligible backends were in slow start at the last {@link refresh}. */
  allInSlowStart = false
  /**
   * True if more than half of the eligible backends failed at the last {@link refresh}, so that the cause is not the
   * backends.
   */
  mostFail = false
  #inSlowStart = 0
  #failing = 0
  /** Number of requests, and of measurements of single backends, since the last refresh. */
  #eventsSinceRefresh = 0

  /** Adds a limit to the counts (with a change of 1), or takes it off before it changes (with -1). */
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

  /** Resets the facts about all backends, because no backend is limited any more. */
  reset(): void {
    this.allInSlowStart = false
    this.mostFail = false
  }

  /**
   * Returns true if all limits should be measured: a fact about all backends changed, and enough requests came to be
   * worth the cost.
   * @param limits the number of limits
   */
  needsRefresh(limits: number): boolean {
    const isOutdated =
      this.allInSlowStart !== (this.#inSlowStart === this.eligible) ||
      this.mostFail !== 2 * this.#failing > this.eligible
    return isOutdated && this.#eventsSinceRefresh * MEASURED_PER_REQUEST >= limits
  }
}
