import type { Clock } from '../../balancer/time/clock.js'

/**
 * A timer that fires more than this many milliseconds late did so because the process was busy or stopped. The bytes
 * that the gateway waits for may have arrived long before, and the event loop reads them right after the timers.
 */
const LATE_TIMER_MS = 50
/** Milliseconds by which a deadline with such a late timer is extended, so that these bytes can be read. */
const READ_GRACE_MS = 10
/** Largest number of unused deadlines that a pool keeps for later requests. */
const MAX_UNUSED = 1000

const NEVER = Number.POSITIVE_INFINITY

/**
 * A point in time that is moved often and reached rarely. Moving it to a later time is one write; a timer that fires
 * before that time is started again for the rest.
 */
export class Deadline {
  readonly #clock: Clock
  /** Called when the deadline is reached. */
  onReached: (() => void) | undefined
  #at = NEVER
  #cancelTimer: (() => void) | undefined
  /** Time at which the timer fires, in monotonic milliseconds. */
  #firesAt = 0

  constructor(clock: Clock, onReached?: () => void) {
    this.#clock = clock
    this.onReached = onReached
  }

  /** Sets the deadline. @param delay milliseconds from now; 0 for no deadline */
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
   * Stops the deadline until `set` is called. The timer keeps running and fires without effect, unless `set` uses it
   * again.
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
   * Starts the timer.
   * @param isGrace true if the deadline has passed, and the timer only leaves time to read the bytes that have arrived
   *   meanwhile
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

/** A pool of deadlines. Later requests reuse them together with their timers, so that few requests start a timer. */
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
