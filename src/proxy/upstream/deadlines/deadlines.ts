import type { Clock } from '../../../balancer/time/clock.js'
import { Deadline } from './deadline.js'

/** Idle deadlines that are kept; more of them were a burst's. */
const KEPT = 1000

/** The deadlines of a pool's requests, used again together with their timers: mostly a request makes none. */
export class Deadlines {
  readonly clock: Clock
  readonly #idle: Deadline[] = []

  constructor(clock: Clock) {
    this.clock = clock
  }

  take(onReached: () => void): Deadline {
    const deadline = this.#idle.pop() ?? new Deadline(this.clock)
    deadline.onReached = onReached
    return deadline
  }

  giveBack(deadline: Deadline): void {
    deadline.onReached = undefined
    if (this.#idle.length < KEPT) {
      deadline.rest()
      this.#idle.push(deadline)
    } else {
      deadline.clear()
    }
  }

  /** Drops the timers of those that nobody uses. */
  close(): void {
    for (const deadline of this.#idle.splice(0)) deadline.clear()
  }
}
