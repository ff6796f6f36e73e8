// Over 200 lines: all that concerns the waits of requests, which share a heap, a timer and the samples.

import { LocalMemory, type PoolMemory } from '../memory.js'
import { Samples } from '../stats/samples.js'
import { DueHeap } from '../structures/due-heap.js'
import type { Clock } from '../time/clock.js'
import type { Allowance, Budget } from './budget.js'
import { type HedgeAfter, Wait } from './hedge-wait.js'

export type { HedgeAfter, Wait } from './hedge-wait.js'

type HedgeCounts = Pick<PoolMemory, 'count' | 'counted'>

/** Number of the latest response times from which the 95th percentile is computed. */
const SAMPLE_COUNT = 1024
/** Smallest number of samples for which there is a 95th percentile. */
const MIN_SAMPLES = 20
/** The number of new samples after which the 95th percentile is computed again. */
const SAMPLES_PER_UPDATE = 64
/**
 * Even where all is well, one request in twenty takes longer than the 95th percentile, and hedging all of these would
 * use up a budget of 5 %. Therefore requests that have waited for less than EARLY_RATIO times the percentile may use
 * only a part of the budget, and the rest is left for when something is wrong.
 */
const EARLY_RATIO = 1.25
const EARLY_BUDGET_PART = 0.5
/**
 * A request that could not be hedged is looked at again after a time in proportion to its wait: the wait, or the delay
 * of hedges if that is longer, divided by this number.
 */
const RECHECK_DIVISOR = 4

/**
 * Decides when a request that waits for its response is hedged, that is, sent to a second backend while the first is
 * still at work, and how many requests may be hedged (Dean and Barroso, "The Tail at Scale",
 * https://research.google/pubs/the-tail-at-scale/).
 */
export class Hedging {
  #after: HedgeAfter
  readonly #budget: Budget
  readonly #clock: Clock
  readonly #memory: HedgeCounts
  readonly #samples = new Samples(SAMPLE_COUNT)
  /**
   * The waiting requests, by the time at which each is late. The delay changes, so the oldest request is not always
   * late first.
   */
  readonly #waits = new DueHeap<Wait>()
  #p95 = 0
  /** Number of samples when the 95th percentile was last computed. */
  #p95Count = 0
  #cancelTimer: (() => void) | undefined
  #timerDueAt = Number.POSITIVE_INFINITY

  /** @param memory counts hedges, of all threads that share the pool */
  constructor(after: HedgeAfter, budget: Budget, clock: Clock, memory: HedgeCounts = new LocalMemory()) {
    this.#after = after
    this.#budget = budget
    this.#clock = clock
    this.#memory = memory
  }

  /** Takes another time and budget of hedges. Requests that wait for a response are hedged by the new time. */
  configure(after: HedgeAfter, allowance: Allowance): void {
    this.#budget.configure(allowance)
    if (after === this.#after) return
    this.#after = after
    const waiting: Wait[] = []
    for (let { first } = this.#waits; first; first = this.#waits.first) {
      this.#waits.remove(first)
      waiting.push(first)
    }
    this.close()
    this.#timerDueAt = Number.POSITIVE_INFINITY
    for (const wait of waiting) {
      if (wait.own === undefined) {
        const { delay } = this
        if (delay === undefined) continue
        wait.due = wait.since + delay
      }
      this.#waits.add(wait)
    }
    const { first } = this.#waits
    if (first) this.#setTimer(first.due, this.#clock.now())
  }

  /**
   * Milliseconds after which a hedge is sent, at least 1 with `p95`, because a timer takes no less; undefined for
   * never, and while the 95th percentile is unknown.
   */
  get delay(): number | undefined {
    return this.#delayOf(this.#after)
  }

  #delayOf(after: HedgeAfter): number | undefined {
    if (after === 'off') return undefined
    if (after !== 'p95') return after
    const { count } = this.#samples
    if (count < MIN_SAMPLES) return undefined
    if (this.#p95Count === 0 || count - this.#p95Count >= SAMPLES_PER_UPDATE) {
      this.#p95Count = count
      this.#p95 = this.#samples.percentiles(0.95)[0] as number
    }
    return Math.max(1, this.#p95)
  }

  /**
   * Registers a request that was sent to its first backend.
   * @param sendHedge called when the request is late and the budget allows a hedge; returns true if a hedge was sent.
   *   If none was sent, or the budget allowed none, the request is looked at again a little later.
   * @param own the time after which this request is hedged, in place of the pool's
   * @returns a handle with which to tell that the request was answered; undefined where there is no hedging
   */
  expect(sendHedge: () => boolean, own?: HedgeAfter): Wait | undefined {
    const after = own ?? this.#after
    if (after === 'off') return undefined
    const now = this.#clock.now()
    const wait = new Wait(this, now, now + (this.#delayOf(after) ?? Number.POSITIVE_INFINITY), sendHedge, own)
    if (wait.due < Number.POSITIVE_INFINITY) {
      this.#waits.add(wait)
      if (wait.due < this.#timerDueAt) this.#setTimer(wait.due, now)
    }
    return wait
  }

  /** Number of hedges so far. */
  get sent(): number {
    return this.#memory.counted('hedges')
  }

  /** Number of hedges so far whose response was the first. */
  get won(): number {
    return this.#memory.counted('hedgesWon')
  }

  /** Counts a hedge that was answered before the first attempt. */
  wins(): void {
    this.#memory.count('hedgesWon')
  }

  /** Number of requests that wait for a response and may yet be hedged. */
  get waiting(): number {
    return this.#waits.size
  }

  /** Cancels the timer. */
  close(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  /** @internal Records the response time of a request that was answered, by whichever attempt. */
  answered(wait: Wait): void {
    // A hedged request is a censored sample: its first attempt would have taken longer than until the hedge was sent.
    // That delay is recorded, or else each hedge would raise the percentile and the next one be later.
    if (this.#afterFor(wait) === 'p95') this.#samples.add((wait.hedgedAt ?? this.#clock.now()) - wait.since)
  }

  /** @internal Removes a request that was answered or given up. */
  remove(wait: Wait): void {
    if (wait.place >= 0) this.#waits.remove(wait)
  }

  #afterFor({ own }: Wait): HedgeAfter {
    return own ?? this.#after
  }

  /** Sets the timer that all requests share, because a timer for each would cost more than everything else here. */
  #setTimer(due: number, now: number): void {
    this.#cancelTimer?.()
    this.#timerDueAt = due
    this.#cancelTimer = this.#clock.after(Math.max(0, Math.ceil(due - now)), () => this.#hedgeLate())
  }

  /** Hedges the requests that are late, as far as the budget allows. */
  #hedgeLate(): void {
    this.#cancelTimer = undefined
    this.#timerDueAt = Number.POSITIVE_INFINITY
    const now = this.#clock.now()
    const late: Wait[] = []
    for (let { first } = this.#waits; first && first.due <= now; first = this.#waits.first) {
      this.#waits.remove(first)
      late.push(first)
    }
    for (const wait of late) {
      // Hedging one request may have ended the wait of another.
      if (!wait.isWaiting) continue
      this.#hedge(wait, now)
      if (wait.isWaiting) this.#waits.add(wait)
    }
    const { first } = this.#waits
    if (first && first.due < this.#timerDueAt) this.#setTimer(first.due, now)
  }

  /** Hedges one request, or sets when to look at it again. */
  #hedge(wait: Wait, now: number): void {
    const after = this.#afterFor(wait)
    const delay = this.#delayOf(after) as number
    const isEarly = after === 'p95' && now - wait.since < EARLY_RATIO * delay
    if (this.#budget.allows(isEarly ? EARLY_BUDGET_PART : 1) && wait.sendHedge()) {
      this.#budget.spend()
      this.#memory.count('hedges')
      wait.cancel()
      wait.hedgedAt = now
    } else {
      wait.due = now + Math.max(delay, now - wait.since) / RECHECK_DIVISOR
    }
  }
}
