import type { Clock } from '../time/clock.js'

/** How often the queue is served though nothing happened: some limits of backends change with time alone. */
const SERVE_INTERVAL_MS = 100
/**
 * Largest delay of the timer that is tolerated. After a longer one, responses may have arrived that were not read yet.
 */
const MAX_LATENESS_MS = 50
/** Time in which such responses are read, before any request that waits is refused. */
const READING_TIME_MS = 10

/** The queue that the timer serves. */
export interface TimedQueue {
  /** When the first request in it has waited too long, in monotonic milliseconds; undefined where none waits. */
  readonly firstDeadline: number | undefined
  serve(): void
  /** Refuses those that have waited too long. @param now monotonic milliseconds */
  expire(now: number): void
}

/** One timer for all requests of a queue: they may wait equally long, so that the first one's time is up first. */
export class QueueTimer {
  readonly #queue: TimedQueue
  readonly #clock: Clock
  #cancel: (() => void) | undefined

  constructor(queue: TimedQueue, clock: Clock) {
    this.#queue = queue
    this.#clock = clock
  }

  /** Starts the timer, unless it runs or nobody waits. */
  start(wasLate = false): void {
    if (this.#cancel) return
    const deadline = this.#queue.firstDeadline
    if (deadline === undefined) return
    const now = this.#clock.now()
    const delay = wasLate ? READING_TIME_MS : Math.max(0, Math.min(SERVE_INTERVAL_MS, deadline - now))
    this.#cancel = this.#clock.after(delay, () => {
      this.#cancel = undefined
      this.#queue.serve()
      const later = this.#clock.now()
      const isLate = !wasLate && later - (now + delay) > MAX_LATENESS_MS
      if (!isLate) this.#queue.expire(later)
      this.start(isLate)
    })
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }
}
