import type { Backend } from '../backends/backend.js'
import { type Tier, tiers } from '../selection/tier.js'
import type { LimitCounts } from './limit-counts.js'
import type { ShareLimit } from './share-limit.js'

/** The time between two requests that a backend with a penalty is given beyond its share. */
const FORCED_INTERVAL_MS = 1000
/** After this time without a choice of another backend, a backend that refuses is used instead of waiting longer. */
const STUCK_MS = 1000

/**
 * Puts limited backends into the tier that their credit entitles them to. Without credit a backend is used only where no
 * other can be, before requests have to wait: in slow start in proportion to its factor, with a penalty once a second,
 * and where it refuses what others answer, only after nothing else was chosen for a second, as the others may be full of
 * endless streams. Where a request cannot wait, any backend is used.
 */
export class LimitTiers {
  /** Requests in flight on a backend, on average. */
  meanInFlight = 0
  /** When a backend that is not capped was last chosen, in monotonic milliseconds. */
  uncappedChosenAt = Number.NEGATIVE_INFINITY
  readonly #counts: LimitCounts
  readonly #retiered: (backend: Backend) => void

  /** @param retiered told when the `tier` of a backend changed */
  constructor(counts: LimitCounts, retiered: (backend: Backend) => void) {
    this.#counts = counts
    this.#retiered = retiered
  }

  /** @param now monotonic milliseconds */
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

  /** The backend is not limited any more. */
  clear(backend: Backend): void {
    this.#retier(backend, tiers.unlimited)
  }

  /** Whether a backend without credit is not to be used beyond its share now. */
  #coolsDown(limit: ShareLimit, now: number): boolean {
    const { backend, slowStartFactor, penaltyFactor, isCapped, lastForcedAt } = limit
    if (isCapped) return now < this.uncappedChosenAt + STUCK_MS
    if (penaltyFactor < 1 && !this.#counts.mostFail) return now < lastForcedAt + FORCED_INTERVAL_MS
    const capacity = backend.hasLimit ? backend.maxConnections : this.meanInFlight
    return backend.inFlight >= Math.max(1, slowStartFactor * capacity)
  }

  #retier(backend: Backend, tier: Tier): void {
    if (tier === backend.tier) return
    backend.tier = tier
    this.#retiered(backend)
  }
}
