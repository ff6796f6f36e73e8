import type { Clock } from '../../balancer/time/clock.js'

/**
 * A timer that fires this much later than it should did so because the process was busy or stopped. What was waited for may
 * have arrived long ago, and is read right after the timers.
 */
const LATE_TIMER_MS = 50
/** Time that is left then to read it. */
const READ_GRACE_MS = 10
/** Unused deadlines that a pool keeps. */
const MAX_UNUSED = 1000

const NEVER = Number.POSITIVE_INFINITY

/**
 * A point in time that is moved often and reached rarely. To move it is one write: a timer that fires too early sleeps
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

  /** Stops it until the next `set`, and leaves its timer to fire without effect: `set` may use that again. */
  suspend(): void {
    this.#at = NEVER
  }

  /** Stops it together with its timer. */
  clear(): void {
    this.#at = NEVER
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  /** @param isGrace whether the time is up, and only what has arrived meanwhile is still to be read */
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

/** Deadlines that are used by one request after another, together with their timers: few requests start a timer. */
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
