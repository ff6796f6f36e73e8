import type { Clock } from '../time/clock.js'

/**
 * The queue is served at this interval even if nothing happened, because some limits of backends change with time
 * alone.
 */
const SERVE_INTERVAL_MS = 100
/**
 * If the timer fires later than this, the process was blocked, and responses may have arrived that were not read yet.
 */
const MAX_LATENESS_MS = 50
/** After a late timer, the time for reading such responses before any waiting request is refused. */
const READING_TIME_MS = 10

/** The queue that a timer serves. */
export interface TimedQueue {
  /** Monotonic milliseconds at which the first waiting request's time is up; undefined where no request waits. */
  readonly firstDeadline: number | undefined
  /** Serves the queue, although nothing says that a slot became free. */
  serveByTimer(): void
  /**
   * Refuses the requests whose time is up.
   * @param now monotonic milliseconds
   */
  expire(now: number): void
}

/**
 * One timer for all requests of a queue. All requests may wait equally long, so the time of the first one is up first.
 */
export class QueueTimer {
  readonly #queue: TimedQueue
  readonly #clock: Clock
  #cancel: (() => void) | undefined

  constructor(queue: TimedQueue, clock: Clock) {
    this.#queue = queue
    this.#clock = clock
  }

  /** Starts the timer, unless it is running or no request waits. */
  start(wasLate = false): void {
    if (this.#cancel) return
    const deadline = this.#queue.firstDeadline
    if (deadline === undefined) return
    const now = this.#clock.now()
    const delay = wasLate ? READING_TIME_MS : Math.max(0, Math.min(SERVE_INTERVAL_MS, deadline - now))
    this.#cancel = this.#clock.after(delay, () => {
      this.#cancel = undefined
      this.#queue.serveByTimer()
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
