import type { Clock } from '../../balancer/time/clock.js'

/** Delay of the second restart in a row; each further one takes twice as long. */
const FIRST_DELAY_MS = 500
const MAX_DELAY_MS = 30_000
/** Time without a restart after which the next one happens at once again. */
const CALM_MS = 60_000

/**
 * Says how long to wait before a thread that ended is started again: not at all, unless threads end again and again,
 * as each start costs more than a request.
 */
export class RestartDelays {
  readonly #clock: Clock
  #lastAt = Number.NEGATIVE_INFINITY
  #delay = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Returns the milliseconds to wait before the next start. */
  next(): number {
    const now = this.#clock.now()
    if (now - this.#lastAt >= CALM_MS) this.#delay = 0
    else this.#delay = Math.min(MAX_DELAY_MS, Math.max(FIRST_DELAY_MS, 2 * this.#delay))
    this.#lastAt = now + this.#delay
    return this.#delay
  }
}
