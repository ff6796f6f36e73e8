import type { Clock } from '../../balancer/time/clock.js'

/**
 * A timer that fires this many milliseconds late did so because the process was busy or stopped. The bytes that were
 * waited for may have arrived long ago, and are read right after the timers.
 */
const LATE_TIMER_MS = 50
/** Time that such a late deadline leaves to read them. */
const READ_GRACE_MS = 10
/** Number of unused deadlines that a pool keeps. */
const MAX_UNUSED = 1000

const NEVER = Number.POSITIVE_INFINITY

/**
 * A point in time that is moved often and reached rarely. Moving it is one write; a timer that fires too early is set
 * again for the rest. (undici's own timers are too coarse: 100 ms become a second.)
 */
export class Deadline {
  readonly #clock: Clock
  /** Called when it is reached. */
  onReached: (() => void) | undefined
  #at = NEVER
  #cancelTimer: (() => void) | undefined
  /** When the timer fires. */
  #firesAt = 0

  constructor(clock: Clock, onReached?: () => void) {
    this.#clock = clock
    this.onReached = onReached
  }

  /** @param delay milliseconds from now; 0 for never */
  set(delay: number): void {
    if (delay === 0) {
      this.clear()
      return
    }
    const now = this.#clock.now()
    this.#at = now + delay
    if (this.#cancelTimer && this.#firesAt <= this.#at) return
    this.#cancelTimer?.()
    this.#startTimer(now)
  }

  /**
   * Stops the deadline until the next `set`. Its timer goes on and fires without effect, unless `set` uses it again.
   */
  suspend(): void {
    this.#at = NEVER
  }

  /** Stops the deadline together with its timer. */
  clear(): void {
    this.#at = NEVER
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  /**
   * Starts the timer. @param isGrace whether the time is up, and only bytes that have arrived meanwhile are still to be
   * read
   */
  #startTimer(now: number, isGrace = false): void {
    this.#firesAt = this.#at
    const delay = isGrace ? READ_GRACE_MS : Math.ceil(this.#at - now)
    this.#cancelTimer = this.#clock.after(delay, () => {
      this.#cancelTimer = undefined
      if (this.#at === NEVER) return
      const later = this.#clock.now()
      // Timers may fire a fraction of a millisecond early.
      if (later + 1 < this.#at) this.#startTimer(later)
      else if (later - this.#at > LATE_TIMER_MS && !isGrace) this.#startTimer(later, true)
      else this.onReached?.()
    })
  }
}

/** Deadlines that are reused by later requests, together with their timers, so that few requests start a timer. */
export class DeadlinePool {
  readonly clock: Clock
  readonly #unused: Deadline[] = []

  constructor(clock: Clock) {
    this.clock = clock
  }

  take(onReached: () => void): Deadline {
    const deadline = this.#unused.pop() ?? new Deadline(this.clock)
    deadline.onReached = onReached
    return deadline
  }

  giveBack(deadline: Deadline): void {
    deadline.onReached = undefined
    if (this.#unused.length < MAX_UNUSED) {
      deadline.suspend()
      this.#unused.push(deadline)
    } else {
      deadline.clear()
    }
  }

  /** Clears the timers of unused deadlines. */
  close(): void {
    for (const deadline of this.#unused.splice(0)) deadline.clear()
  }
}
