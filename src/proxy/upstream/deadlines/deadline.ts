import type { Clock } from '../../../balancer/time/clock.js'

/**
 * Milliseconds. A timer that fires later than this did so because the process was busy or stopped. What was
 * waited for may have arrived long ago, and be read right after the timers.
 */
const OVERSLEPT = 50
/** Milliseconds that it then has for that. */
const SECOND_LOOK = 10

const NEVER = Number.POSITIVE_INFINITY

/**
 * A point in time that is put off often and reached rarely. Putting it off is one write; a timer that fires
 * too early looks and sleeps on. (undici's own timers are coarse: 100 ms become a second.)
 */
export class Deadline {
  readonly #clock: Clock
  /** Called when it is reached. */
  onReached: (() => void) | undefined
  #at = NEVER
  #cancel: (() => void) | undefined
  /** When the timer that runs will fire. */
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
    if (this.#cancel && this.#firesAt <= this.#at) return
    this.#cancel?.()
    this.#start(now)
  }

  /** Puts it off for good, but for another call of `set`: the timer is left to fire, and to do nothing. */
  rest(): void {
    this.#at = NEVER
  }

  clear(): void {
    this.rest()
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** @param second whether the time is up, and only what came in meanwhile is yet to be looked at */
  #start(now: number, second = false): void {
    this.#firesAt = this.#at
    // A timer may fire a fraction of a millisecond early; `ceil` and the comparison below see to it.
    this.#cancel = this.#clock.after(second ? SECOND_LOOK : Math.ceil(this.#at - now), () => {
      this.#cancel = undefined
      if (this.#at === NEVER) return
      const later = this.#clock.now()
      if (later + 1 < this.#at) this.#start(later)
      else if (later - this.#at > OVERSLEPT && !second) this.#start(later, true)
      else this.onReached?.()
    })
  }
}
