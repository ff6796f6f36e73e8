import { Samples } from '../stats/samples.js'
import { DueHeap } from '../structures/due-heap.js'
import type { Clock } from '../time/clock.js'
import type { Budget } from './budget.js'

/** When a second backend is asked: after so many milliseconds, or when 95 of 100 would have been answered. */
export type HedgeAfter = number | 'p95' | 'off'

/** The 95th percentile is that of the latest so many requests, */
const WINDOW = 1024
/** and not known before there were so many. */
const ENOUGH = 20
/** It is looked up anew after so many more. */
const STEP = 64
/**
 * One request in twenty is over the 95th percentile even where all is well, and would use up a budget of 5 % by
 * itself. So those that have waited for less than so many times as long have half of it only, and the rest is
 * there when something is wrong.
 */
const LATE = 1.25
const FOR_EARLY = 0.5
/** Whoever is refused a second try is looked at again after this part of the time that he has waited. */
const LOOKS = 4

/**
 * Second tries of requests that take longer than most, while the first is still under way (Dean and Barroso,
 * "The Tail at Scale", https://research.google/pubs/the-tail-at-scale/). This says when, and how many.
 */
export class Hedging {
  readonly #after: HedgeAfter
  readonly #budget: Budget
  readonly #clock: Clock
  readonly #samples = new Samples(WINDOW)
  /** By when they are late: the time that they are given changes, so that who came first may not be late first. */
  readonly #line = new DueHeap<Wait>()
  #sent = 0
  #won = 0
  #p95 = 0
  #p95Count = 0
  #cancelTimer: (() => void) | undefined
  #firesAt = Number.POSITIVE_INFINITY

  constructor(after: HedgeAfter, budget: Budget, clock: Clock) {
    this.#after = after
    this.#budget = budget
    this.#clock = clock
  }

  /** Milliseconds until a second backend is asked; undefined for never, and where it is not known yet. */
  get delay(): number | undefined {
    if (this.#after === 'off') return undefined
    if (this.#after !== 'p95') return this.#after
    const { count } = this.#samples
    if (count < ENOUGH) return undefined
    if (this.#p95Count === 0 || count - this.#p95Count >= STEP) {
      this.#p95Count = count
      this.#p95 = this.#samples.percentiles(0.95)[0] as number
    }
    // A timer takes no less.
    return Math.max(1, this.#p95)
  }

  /**
   * A request was sent.
   * @param late called if it is not answered in time and the budget has one more; returns whether a second
   *   backend is asked now. Where it is not, or the budget has none, there is another look a little later.
   * @returns to be told when it is answered; undefined where there is no hedging
   */
  expect(late: () => boolean): Wait | undefined {
    if (this.#after === 'off') return undefined
    const now = this.#clock.now()
    const wait = new Wait(this, now, now + (this.delay ?? Number.POSITIVE_INFINITY), late)
    if (wait.due < Number.POSITIVE_INFINITY) {
      this.#line.add(wait)
      if (wait.due < this.#firesAt) this.#watch(wait.due, now)
    }
    return wait
  }

  /** Second tries so far. */
  get sent(): number {
    return this.#sent
  }

  /** Second tries so far whose answer was the first. */
  get won(): number {
    return this.#won
  }

  /** The answer to a request is that of its second try. */
  wins(): void {
    this.#won++
  }

  /** Requests that are waited for, and may yet be late. */
  get waiting(): number {
    return this.#line.size
  }

  /** Drops the timer. */
  close(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  /** @internal A request was answered, by whichever try. */
  answered(wait: Wait): void {
    // What a second try took says nothing of how long one takes: with that in it, the percentile would grow with
    // each second try. It would have taken longer than until then, and that is how it counts.
    if (this.#after === 'p95') this.#samples.add((wait.hedgedAt ?? this.#clock.now()) - wait.since)
  }

  /** @internal */
  leave(wait: Wait): void {
    if (wait.place >= 0) this.#line.remove(wait)
  }

  /** One timer for all, as setting one for each request costs more than all the rest of this. */
  #watch(due: number, now: number): void {
    this.#cancelTimer?.()
    this.#firesAt = due
    this.#cancelTimer = this.#clock.after(Math.ceil(due - now), () => this.#look())
  }

  #look(): void {
    this.#cancelTimer = undefined
    this.#firesAt = Number.POSITIVE_INFINITY
    const now = this.#clock.now()
    const late: Wait[] = []
    for (let { first } = this.#line; first && first.due <= now; first = this.#line.first) {
      this.#line.remove(first)
      late.push(first)
    }
    for (const wait of late) {
      // Hedging one request may have ended the wait of another.
      if (!wait.isWaiting) continue
      this.#late(wait, now)
      if (wait.isWaiting) this.#line.add(wait)
    }
    const { first } = this.#line
    if (first && first.due < this.#firesAt) this.#watch(first.due, now)
  }

  #late(wait: Wait, now: number): void {
    const delay = this.delay as number
    const early = this.#after === 'p95' && now - wait.since < LATE * delay
    if (this.#budget.allows(early ? FOR_EARLY : 1) && wait.late()) {
      this.#budget.spend()
      this.#sent++
      wait.cancel()
      wait.hedgedAt = now
    } else {
      wait.due = now + Math.max(delay, now - wait.since) / LOOKS
    }
  }
}

/** One request that is waited for. */
export class Wait {
  readonly since: number
  /** @internal When it is late, or to be looked at again; with `place` a `DueItem`, which is left out of the published type. */
  due: number
  /** @internal When a second backend was asked, if one was. */
  hedgedAt: number | undefined
  /** @internal */
  readonly late: () => boolean
  readonly #hedging: Hedging
  #waiting = true
  /** @internal its place in the line of {@link Hedging}; negative while it is not in line */
  place = -1

  /** @internal use `hedging.expect()` */
  constructor(hedging: Hedging, since: number, due: number, late: () => boolean) {
    this.#hedging = hedging
    this.since = since
    this.due = due
    this.late = late
  }

  get isWaiting(): boolean {
    return this.#waiting
  }

  /** The request was answered. */
  answered(): void {
    this.cancel()
    this.#hedging.answered(this)
  }

  /** Nobody waits for it any more. */
  cancel(): void {
    if (!this.#waiting) return
    this.#waiting = false
    this.#hedging.leave(this)
  }
}
