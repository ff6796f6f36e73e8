import { Samples } from '../stats/samples.js'
import { DueHeap } from '../structures/due-heap.js'
import type { Clock } from '../time/clock.js'
import type { Budget } from './budget.js'

/** When a hedge is sent: after so many milliseconds, or after the 95th percentile of recent response times. */
export type HedgeAfter = number | 'p95' | 'off'

/** Response times that the 95th percentile is taken of. */
const SAMPLE_COUNT = 1024
/** With fewer samples there is no 95th percentile. */
const MIN_SAMPLES = 20
/** The number of new samples after which the 95th percentile is computed again. */
const SAMPLES_PER_UPDATE = 64
/**
 * One request in twenty is over the 95th percentile even where all is well, and these would use up a budget of 5 %. So
 * requests that have waited for less than this many times the percentile may use only a part of the budget, and the rest
 * is there when something is wrong.
 */
const EARLY_RATIO = 1.25
const EARLY_BUDGET_PART = 0.5
/** A request that could not be hedged is looked at again after this part of the time that it has waited. */
const RECHECK_DIVISOR = 4

/**
 * Decides when a request that waits for its response is hedged, that is, sent to a second backend while the first is
 * still at work, and how many may be (Dean and Barroso, "The Tail at Scale",
 * https://research.google/pubs/the-tail-at-scale/).
 */
export class Hedging {
  readonly #after: HedgeAfter
  readonly #budget: Budget
  readonly #clock: Clock
  readonly #samples = new Samples(SAMPLE_COUNT)
  /** Requests by when they are late. The delay changes, so that the oldest request is not always late first. */
  readonly #waits = new DueHeap<Wait>()
  #sent = 0
  #won = 0
  #p95 = 0
  /** How many samples there were when the 95th percentile was computed. */
  #p95Count = 0
  #cancelTimer: (() => void) | undefined
  #timerDueAt = Number.POSITIVE_INFINITY

  constructor(after: HedgeAfter, budget: Budget, clock: Clock) {
    this.#after = after
    this.#budget = budget
    this.#clock = clock
  }

  /** Milliseconds until a hedge is sent, 1 at least as timers have it; undefined for never, and before p95 is known. */
  get delay(): number | undefined {
    if (this.#after === 'off') return undefined
    if (this.#after !== 'p95') return this.#after
    const { count } = this.#samples
    if (count < MIN_SAMPLES) return undefined
    if (this.#p95Count === 0 || count - this.#p95Count >= SAMPLES_PER_UPDATE) {
      this.#p95Count = count
      this.#p95 = this.#samples.percentiles(0.95)[0] as number
    }
    return Math.max(1, this.#p95)
  }

  /**
   * A request was sent to its first backend.
   * @param sendHedge called when the request is late and the budget allows a hedge. Returns whether a hedge was sent;
   *   where it was not, or the budget allowed none, the request is looked at again a little later.
   * @returns to be told when the request is answered; undefined where there is no hedging
   */
  expect(sendHedge: () => boolean): Wait | undefined {
    if (this.#after === 'off') return undefined
    const now = this.#clock.now()
    const wait = new Wait(this, now, now + (this.delay ?? Number.POSITIVE_INFINITY), sendHedge)
    if (wait.due < Number.POSITIVE_INFINITY) {
      this.#waits.add(wait)
      if (wait.due < this.#timerDueAt) this.#setTimer(wait.due, now)
    }
    return wait
  }

  /** Hedges so far. */
  get sent(): number {
    return this.#sent
  }

  /** Hedges so far whose response was the first. */
  get won(): number {
    return this.#won
  }

  /** A hedge was answered before the first attempt. */
  wins(): void {
    this.#won++
  }

  /** Requests that wait for a response and may yet be hedged. */
  get waiting(): number {
    return this.#waits.size
  }

  /** Drops the timer. */
  close(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  /** @internal A request was answered, by whichever attempt. */
  answered(wait: Wait): void {
    // A hedged request is a censored sample: its first attempt would have taken longer than until the hedge was sent.
    // That delay is recorded, or else each hedge would raise the percentile and the next one be later.
    if (this.#after === 'p95') this.#samples.add((wait.hedgedAt ?? this.#clock.now()) - wait.since)
  }

  /** @internal A request is answered, or given up. */
  remove(wait: Wait): void {
    if (wait.place >= 0) this.#waits.remove(wait)
  }

  /** Sets the one timer for all requests, as one for each would cost more than all the rest here. */
  #setTimer(due: number, now: number): void {
    this.#cancelTimer?.()
    this.#timerDueAt = due
    this.#cancelTimer = this.#clock.after(Math.ceil(due - now), () => this.#hedgeLate())
  }

  /** Hedges the requests that are late, where that is allowed. */
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

  /** Hedges one request, or says when it is looked at again. */
  #hedge(wait: Wait, now: number): void {
    const delay = this.delay as number
    const isEarly = this.#after === 'p95' && now - wait.since < EARLY_RATIO * delay
    if (this.#budget.allows(isEarly ? EARLY_BUDGET_PART : 1) && wait.sendHedge()) {
      this.#budget.spend()
      this.#sent++
      wait.cancel()
      wait.hedgedAt = now
    } else {
      wait.due = now + Math.max(delay, now - wait.since) / RECHECK_DIVISOR
    }
  }
}

/** One request that waits for its response. */
export class Wait {
  /** Monotonic milliseconds. */
  readonly since: number
  /** @internal When it is late, or looked at again. With `place` it makes a `DueItem`, which the published type leaves out. */
  due: number
  /** @internal When its hedge was sent, if one was. */
  hedgedAt: number | undefined
  /** @internal */
  readonly sendHedge: () => boolean
  readonly #hedging: Hedging
  #isWaiting = true
  /** @internal Its place in the heap of {@link Hedging}; negative while it is not in it. */
  place = -1

  /** @internal use `hedging.expect()` */
  constructor(hedging: Hedging, since: number, due: number, sendHedge: () => boolean) {
    this.#hedging = hedging
    this.since = since
    this.due = due
    this.sendHedge = sendHedge
  }

  get isWaiting(): boolean {
    return this.#isWaiting
  }

  /** Notes that the request was answered. */
  answered(): void {
    this.cancel()
    this.#hedging.answered(this)
  }

  /** The request needs no response any more. */
  cancel(): void {
    if (!this.#isWaiting) return
    this.#isWaiting = false
    this.#hedging.remove(this)
  }
}
