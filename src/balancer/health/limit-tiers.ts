import type { Backend } from '../backends/backend.js'
import { type Tier, tiers } from '../selection/tier.js'
import type { LimitCounts } from './limit-counts.js'
import type { ShareLimit } from './share-limit.js'

/** Time between two requests beyond its share that a backend with a penalty is given. */
const FORCED_INTERVAL_MS = 1000
/**
 * If no other backend was chosen for this time, a backend that refuses is used, rather than letting requests wait
 * longer.
 */
const STUCK_MS = 1000

/**
 * Puts limited backends into the tier that their credit entitles them to. A backend without credit is chosen only where
 * no other can be, before requests have to wait. In slow start, it then gets requests in proportion to its factor. With
 * a penalty, it gets one a second. If it refuses what others answer, it gets requests only after no other backend was
 * chosen for a second, because the others may be full of endless streams. Where a request cannot wait, any backend is
 * used.
 */
export class LimitTiers {
  /** Number of requests in flight on a backend, on average. */
  meanInFlight = 0
  /** Monotonic milliseconds at which a backend that is not capped was last chosen. */
  uncappedChosenAt = Number.NEGATIVE_INFINITY
  readonly #counts: LimitCounts
  readonly #retiered: (backend: Backend) => void

  /** @param retiered called when the `tier` of a backend changed */
  constructor(counts: LimitCounts, retiered: (backend: Backend) => void) {
    this.#counts = counts
    this.#retiered = retiered
  }

  /**
   * Puts the backend of a limit into its tier.
   * @param now monotonic milliseconds
   */
  place(limit: ShareLimit, now: number): void {
    const { backend, factor, weight, isCapped } = limit
    const mayBeChosen = weight === 0 || (factor === 1 && !isCapped) || limit.hasCredit
    if (!mayBeChosen) limit.wait()
    let tier: Tier = tiers.withinShare
    if (!mayBeChosen) tier = this.#coolsDown(limit, now) ? tiers.coolingDown : tiers.shareUsed
    const before = backend.tier
    if (weight > 0)
      this.#counts.shareUsed += Number(tier >= tiers.shareUsed) - Number(before >= tiers.shareUsed)
    this.#retier(backend, tier)
  }

  /** Takes a backend that is not limited any more out of the tiers of limited ones. */
  clear(backend: Backend): void {
    this.#retier(backend, tiers.unlimited)
  }

  /** Returns true if a backend without credit must not be used beyond its share now. */
  #coolsDown(limit: ShareLimit, now: number): boolean {
    const { backend, slowStartFactor, penaltyFactor, isCapped, lastForcedAt } = limit
    if (isCapped) return now < this.uncappedChosenAt + STUCK_MS
    if (penaltyFactor < 1 && !this.#counts.mostFail) return now < lastForcedAt + FORCED_INTERVAL_MS
    const capacity = backend.hasLimit ? backend.slots : this.meanInFlight
    return backend.inFlight >= Math.max(1, slowStartFactor * capacity)
  }

  #retier(backend: Backend, tier: Tier): void {
    if (tier === backend.tier) return
    backend.tier = tier
    this.#retiered(backend)
  }
}
