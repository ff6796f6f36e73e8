// Over 200 lines: the limits on shares and the effects of each change of one, harder to follow in parts.
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
/** Time between two measurements of what changes with time alone: at least this, and at least this for each limit. */
const MEASURE_INTERVAL_MS = 50
const MEASURE_INTERVAL_PER_LIMIT_MS = 0.01

/** The functions of the pool that the limits need. */
export interface ShareLimitsPool {
  clock: Clock
  /** Number of requests in flight on a backend, on average. */
  meanInFlight(): number
  /** Is called after the `tier` of a backend changed. */
  retiered(backend: Backend): void
}

/**
 * Limits the share of backends in slow start, with a failure penalty, or that refuse what others answer; see
 * `SlowStart`, `FailurePenalty` and `RefusalOutliers`.
 *
 * The method is stride scheduling (Waldspurger and Weihl, 1995, https://en.wikipedia.org/wiki/Stride_scheduling): each
 * choice credits a limited backend its part of one request, and the backend may be chosen only while it has credit for
 * a whole one. So it stays under its limit however idle it is, even a tiny share brings a request now and then, and
 * every policy obeys, because policies choose by `backend.tier`.
 *
 * If all backends are in slow start, limits are relative to the one that is furthest. If more than half fail, the cause
 * is not the backends, and penalties are ignored: otherwise the first one to succeed would be given everything.
 *
 * A backend that is not chosen costs nothing: its credit follows from the virtual time, and a heap holds the backends
 * without credit by the time at which they will have it. While there is any limit, a timer measures what changes with
 * time alone.
 */
export class ShareLimits {
  /** True if any backend is limited. */
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

  /** Number of eligible backends that have used their share, and are chosen only where no other can be. */
  get shareUsedCount(): number {
    return this.#counts.shareUsed
  }

  /** Limits a backend in slow start. It may have one request at once: at a low rate the next may be far off. */
  joined(backend: Backend): void {
    const isCapped = this.isCapped(backend)
    this.forget(backend)
    const limit = this.#add(backend, 1)
    limit.isCapped = isCapped
    this.#update(limit)
  }

  /** Updates a backend whose penalty grew; the backend forfeits its saved credit. */
  failed(backend: Backend): void {
    const limit = this.#limits.get(backend) ?? this.#add(backend, 0)
    limit.forfeit()
    this.#update(limit)
  }

  /** Updates a backend whose penalty is less than it was. */
  succeeded(backend: Backend): void {
    const limit = this.#limits.get(backend)
    if (limit) this.#update(limit)
  }

  /** Sets whether a backend is limited to its fair share. */
  cap(backend: Backend, isCapped: boolean): void {
    const limit = this.#limits.get(backend) ?? (isCapped ? this.#add(backend, 0) : undefined)
    if (!limit) return
    limit.isCapped = isCapped
    this.#update(limit)
  }

  isCapped(backend: Backend): boolean {
    return this.#limits.get(backend)?.isCapped === true
  }

  /** Cancels the timer. */
  close(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  /** Returns the parts of its fair share that slow start and failures allow a backend, each from 0 to 1. */
  factorsOf(backend: Backend, now: number): { slowStartFactor: number; penaltyFactor: number } {
    return {
      slowStartFactor: this.#slowStart.factorOf(backend, now),
      penaltyFactor: this.#penalty.factorOf(backend, now),
    }
  }

  /** Returns the part of its fair share that a backend may have, from 0 to 1. */
  shareOf(backend: Backend, now: number): number {
    return this.#slowStart.factorOf(backend, now) * this.#penalty.factorOf(backend, now)
  }

  /** Takes over the number and total weight of the eligible backends, after a change. */
  update(eligible: number, totalWeight: number, weightOf: (backend: Backend) => number): void {
    this.#counts.eligible = eligible
    this.#times.totalWeight = totalWeight
    this.#weightOf = weightOf
    if (this.any) this.#updateAll()
  }

  /** Updates a backend whose number of requests in flight changed. */
  changed(backend: Backend): void {
    if (backend.tier < tiers.shareUsed) return
    const limit = this.#limits.get(backend)
    if (limit) this.#tiers.place(limit, this.#pool.clock.now())
  }

  /** Charges a chosen backend for a request, and credits all limited backends their part of one. */
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

  /** Ends the limit of a backend that was removed, or is not limited any more. */
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

  /** Gives credit to the backends whose time has come. */
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

  /** Measures what slow start and failures allow a backend. Returns true if the backend is still limited. */
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
