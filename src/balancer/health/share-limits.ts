// Over 200 lines: what limits a share, and what follows from each change of it, would be harder to follow in parts.
import type { Backend } from '../backends/backend.js'
import { tiers } from '../selection/tier.js'
import type { Clock } from '../time/clock.js'
import type { FailurePenalty } from './failure-penalty.js'
import { LimitCounts } from './limit-counts.js'
import { LimitTiers } from './limit-tiers.js'
import { ShareLimit } from './share-limit.js'
import type { SlowStart } from './slow-start.js'
import { PoolVirtualTimes } from './virtual-time.js'

/** Where all backends are in slow start: a difference between two slow start factors that is too small to matter. */
const SLOW_START_TOLERANCE = 0.1
/** The time between two measurements of what changes with time alone: at least so long, and so long for each limit. */
const MEASURE_INTERVAL_MS = 50
const MEASURE_INTERVAL_PER_LIMIT_MS = 0.01

/** The functions of the pool that the limits need. */
export interface ShareLimitsPool {
  clock: Clock
  /** Requests in flight on a backend, on average. */
  meanInFlight(): number
  /** The `tier` of a backend changed. */
  retiered(backend: Backend): void
}

/**
 * Limits the share of backends in slow start, of those with a failure penalty, and of those that refuse what others
 * answer; see `SlowStart`, `FailurePenalty` and `RefusalOutliers`.
 *
 * It is stride scheduling (Waldspurger and Weihl, 1995, https://en.wikipedia.org/wiki/Stride_scheduling): each choice
 * credits a limited backend its part of one request, and only while it has a whole one may it be chosen. So it stays
 * under its limit however idle it is, even a backend with a tiny share is given a request now and then, and every policy
 * obeys, as policies choose by `backend.tier`.
 *
 * Where all are in slow start, limits are relative to the backend that is furthest. Where more than half fail, the
 * backends are not the reason, and there is no penalty: or the first to succeed would be given everything.
 *
 * A backend that is not chosen costs nothing: its credit follows from the virtual time, and a heap holds the backends
 * without credit by when they have it again. A timer measures what changes with time alone, while there is any limit.
 */
export class ShareLimits {
  /** Whether any backend is limited. */
  any = false
  readonly #slowStart: SlowStart
  readonly #penalty: FailurePenalty
  readonly #pool: ShareLimitsPool
  readonly #limits = new Map<Backend, ShareLimit>()
  readonly #counts = new LimitCounts()
  readonly #tiers: LimitTiers
  readonly #times = new PoolVirtualTimes<ShareLimit>()
  #weightOf: (backend: Backend) => number = () => 1
  #maxSlowStartFactor = 1
  #cancelTimer: (() => void) | undefined

  constructor(slowStart: SlowStart, penalty: FailurePenalty, pool: ShareLimitsPool) {
    this.#slowStart = slowStart
    this.#penalty = penalty
    this.#pool = pool
    this.#tiers = new LimitTiers(this.#counts, (backend) => pool.retiered(backend))
  }

  /** How many eligible backends have used their share, and are chosen only where no other can be. */
  get shareUsedCount(): number {
    return this.#counts.shareUsed
  }

  /** The slow start of a backend began. It may have one request at once: at a low rate the next may be far off. */
  joined(backend: Backend): void {
    const isCapped = this.isCapped(backend)
    this.forget(backend)
    const limit = this.#add(backend, 1)
    limit.isCapped = isCapped
    this.#update(limit)
  }

  /** The penalty of a backend grew: it forfeits the credit that it has saved. */
  failed(backend: Backend): void {
    const limit = this.#limits.get(backend) ?? this.#add(backend, 0)
    limit.forfeit()
    this.#update(limit)
  }

  /** The penalty of a backend is less than it was. */
  succeeded(backend: Backend): void {
    const limit = this.#limits.get(backend)
    if (limit) this.#update(limit)
  }

  /** Sets whether a backend may not have more than its fair share. */
  cap(backend: Backend, isCapped: boolean): void {
    const limit = this.#limits.get(backend) ?? (isCapped ? this.#add(backend, 0) : undefined)
    if (!limit) return
    limit.isCapped = isCapped
    this.#update(limit)
  }

  isCapped(backend: Backend): boolean {
    return this.#limits.get(backend)?.isCapped === true
  }

  /** Drops the timer. */
  close(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  /** The parts of its fair share that slow start and failures allow a backend, each from 0 to 1. */
  factorsOf(backend: Backend, now: number): { slowStartFactor: number; penaltyFactor: number } {
    return {
      slowStartFactor: this.#slowStart.factorOf(backend, now),
      penaltyFactor: this.#penalty.factorOf(backend, now),
    }
  }

  /** The part of its fair share that a backend may have, from 0 to 1. */
  shareOf(backend: Backend, now: number): number {
    return this.#slowStart.factorOf(backend, now) * this.#penalty.factorOf(backend, now)
  }

  /** The set of eligible backends changed, or a weight in it. */
  update(eligible: number, totalWeight: number, weightOf: (backend: Backend) => number): void {
    this.#counts.eligible = eligible
    this.#times.totalWeight = totalWeight
    this.#weightOf = weightOf
    if (this.any) this.#updateAll()
  }

  /** The number of requests in flight of a backend changed. */
  changed(backend: Backend): void {
    if (backend.tier < tiers.shareUsed) return
    const limit = this.#limits.get(backend)
    if (limit) this.#tiers.place(limit, this.#pool.clock.now())
  }

  /** A backend was chosen: it is charged a request, and all limited ones are credited their part of one. */
  chosen(backend: Backend, now: number): void {
    const limit = this.#limits.get(backend)
    if (limit) {
      limit.charge()
      if (backend.tier >= tiers.shareUsed) limit.lastForcedAt = now
    }
    if (!limit?.isCapped) this.#tiers.uncappedChosenAt = now
    this.#times.advance()
    if (limit) this.#update(limit)
    this.#creditDue(now)
    this.#noteEvent()
  }

  /** The backend was removed, or has no limit any more. */
  forget(backend: Backend): void {
    const limit = this.#limits.get(backend)
    if (!limit) return
    this.#counts.count(limit, -1)
    this.#times.unusedWeight -= limit.unusedWeight
    limit.stopWaiting()
    this.#limits.delete(backend)
    this.any = this.#limits.size > 0
    this.#tiers.clear(backend)
    if (this.any) return
    this.#times.reset()
    this.#counts.reset()
    this.close()
  }

  #add(backend: Backend, credit: number): ShareLimit {
    if (!this.any) this.#tiers.meanInFlight = this.#pool.meanInFlight()
    const limit = new ShareLimit(backend, credit, this.#times.normal)
    this.#limits.set(backend, limit)
    this.any = true
    this.#startTimer()
    return limit
  }

  /** Gives their credit to the backends whose time has come. */
  #creditDue(now: number): void {
    for (let limit = this.#times.takeDue(); limit; limit = this.#times.takeDue()) {
      limit.becomeDue()
      this.#tiers.place(limit, now)
    }
  }

  /** Brings one limit up to date. */
  #update(limit: ShareLimit): void {
    const now = this.#pool.clock.now()
    if (!this.#measure(limit, now)) return
    this.#apply(limit, now)
    this.#noteEvent()
  }

  #noteEvent(): void {
    this.#counts.noteEvent()
    if (this.#counts.needsRefresh(this.#limits.size)) this.#updateAll()
  }

  #updateAll(): void {
    const now = this.#pool.clock.now()
    this.#tiers.meanInFlight = this.#pool.meanInFlight()
    this.#maxSlowStartFactor = 0
    for (const limit of this.#limits.values()) {
      if (!this.#measure(limit, now) || limit.weight === 0) continue
      this.#maxSlowStartFactor = Math.max(this.#maxSlowStartFactor, limit.slowStartFactor)
    }
    this.#counts.refresh()
    for (const limit of this.#limits.values()) this.#apply(limit, now)
  }

  /** Finds out what slow start and failures allow a backend. Returns whether it is still limited. */
  #measure(limit: ShareLimit, now: number): boolean {
    const { backend } = limit
    limit.accrue()
    this.#counts.count(limit, -1)
    limit.slowStartFactor = this.#slowStart.factorOf(backend, now)
    limit.penaltyFactor = this.#penalty.factorOf(backend, now)
    limit.weight = backend.isEligible ? this.#weightOf(backend) : 0
    this.#counts.count(limit, 1)
    if (limit.isLimited) return true
    this.forget(backend)
    return false
  }

  /** Gives a backend the share that follows from its factors and from the state of the others. */
  #apply(limit: ShareLimit, now: number): void {
    const { allInSlowStart, mostFail } = this.#counts
    let { slowStartFactor } = limit
    if (allInSlowStart) {
      const best = this.#maxSlowStartFactor + SLOW_START_TOLERANCE
      slowStartFactor = Math.min(1, (slowStartFactor + SLOW_START_TOLERANCE) / best)
    }
    limit.follow(slowStartFactor < 1 ? this.#times.slowStart : this.#times.normal)
    limit.factor = slowStartFactor * (mostFail ? 1 : limit.penaltyFactor)
    const unusedWeight = limit.weight * (1 - slowStartFactor)
    this.#times.unusedWeight += unusedWeight - limit.unusedWeight
    limit.unusedWeight = unusedWeight
    this.#tiers.place(limit, now)
  }

  #startTimer(): void {
    if (this.#cancelTimer) return
    const delay = Math.max(MEASURE_INTERVAL_MS, MEASURE_INTERVAL_PER_LIMIT_MS * this.#limits.size)
    this.#cancelTimer = this.#pool.clock.after(delay, () => {
      this.#cancelTimer = undefined
      this.#updateAll()
      if (this.any) this.#startTimer()
    })
  }
}
