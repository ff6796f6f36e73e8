import type { Clock } from '../../balancer/time/clock.js'

/** Delay of the second restart in a row; each further one takes twice as long. */
const FIRST_DELAY_MS = 500
const MAX_DELAY_MS = 30_000
/** Time without a restart after which the next one happens at once again. */
const CALM_MS = 60_000

/**
 * Says how long to wait before a worker that ended is started again: not at all, unless the worker with this number ends
 * again and again, as each start costs more than a request.
 */
export class RestartDelays {
  readonly #clock: Clock
  /** By the number of the worker. */
  readonly #last = new Map<number, { at: number; delay: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Returns the milliseconds to wait before the next start of the worker with this number. */
  next(worker: number): number {
    const now = this.#clock.now()
    const last = this.#last.get(worker)
    const isCalm = last === undefined || now - last.at >= CALM_MS
    const delay = isCalm ? 0 : Math.min(MAX_DELAY_MS, Math.max(FIRST_DELAY_MS, 2 * last.delay))
    this.#last.set(worker, { at: now + delay, delay })
    return delay
  }
}
