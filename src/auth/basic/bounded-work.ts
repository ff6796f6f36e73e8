/** Share of the latest duration in the mean, from 0 to 1. */
const LATEST_SHARE = 0.2

/** Runs so many tasks at a time, and lets so many wait. */
export class BoundedWork {
  readonly #limit: number
  readonly #maxWaiting: number
  readonly #now: () => number
  readonly #waiting: (() => void)[] = []
  #running = 0
  /** Mean duration of a task in milliseconds. */
  #duration = 0

  /** @param now returns monotonic time in milliseconds */
  constructor(limit: number, maxWaiting: number, now: () => number) {
    this.#limit = limit
    this.#maxWaiting = maxWaiting
    this.#now = now
  }

  get isFull(): boolean {
    return this.#running >= this.#limit && this.#waiting.length >= this.#maxWaiting
  }

  /** Seconds after which those who wait now will have had their turn; at least 1. */
  get retryAfter(): number {
    return Math.max(1, Math.ceil((this.#waiting.length * this.#duration) / this.#limit / 1000))
  }

  /** Runs a task once it has its turn. Ask {@link isFull} first. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#limit) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#running++
    const startedAt = this.#now()
    try {
      return await task()
    } finally {
      const duration = this.#now() - startedAt
      this.#duration += (duration - this.#duration) * (this.#duration === 0 ? 1 : LATEST_SHARE)
      // Whoever is next has the place of this task at once, so that nobody comes in between.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }
}
