import type { Clock } from '../balancer/time/clock.js'
import type { RateCount, RateLimitCounter } from './rate-limit-counter.js'

/** The counter has not answered in time. */
export class LateCounterError extends Error {
  constructor(patience: number) {
    super(`the counter of rate limits did not answer within ${patience} ms`)
  }
}

export interface PatientCounterOptions {
  counter: RateLimitCounter
  clock: Clock
  /** Milliseconds after which a count that has not come is given up. */
  patience: number
  /** Is called with a reason why a request could not be counted, and with how many could not since the last call. */
  onUncounted(reason: unknown, requests: number): void
}

interface Wait {
  readonly dueAt: number
  readonly done: (count: RateCount | undefined) => void
}

/** Shortest time between two calls of `onUncounted`. */
const NOTICE_INTERVAL_MS = 10_000

/** A counter that is not waited for longer than a request can bear, and whose failure is no failure of the request. */
export class PatientCounter {
  readonly #options: PatientCounterOptions
  /** Requests that wait for their count, in the order in which their patience ends. */
  readonly #waits = new Set<Wait>()
  /** One timer for all that wait. */
  #isTimed = false
  #uncounted = 0
  #noticedAt = Number.NEGATIVE_INFINITY

  constructor(options: PatientCounterOptions) {
    this.#options = options
  }

  /**
   * Counts one request.
   * @param done is called once, with undefined where the request could not be counted
   */
  increment(key: string, window: number, max: number, done: (count: RateCount | undefined) => void): void {
    let count: RateCount | Promise<RateCount>
    try {
      count = this.#options.counter.increment(key, window, max)
    } catch (error) {
      this.#notice(error)
      done(undefined)
      return
    }
    if (!('then' in count)) {
      done(count)
      return
    }
    const wait = { dueAt: this.#options.clock.now() + this.#options.patience, done }
    this.#waits.add(wait)
    count.then(
      (value) => void this.#end(wait, value),
      (error) => {
        if (this.#end(wait, undefined)) this.#notice(error)
      },
    )
    this.#watch(this.#options.patience)
  }

  /** @returns false where the request no longer waits */
  #end(wait: Wait, count: RateCount | undefined): boolean {
    const waited = this.#waits.delete(wait)
    if (waited) wait.done(count)
    return waited
  }

  #watch(delay: number): void {
    if (this.#isTimed) return
    this.#isTimed = true
    this.#options.clock.after(delay, this.#look)
  }

  readonly #look = (): void => {
    this.#isTimed = false
    const { clock, patience } = this.#options
    const now = clock.now()
    for (const wait of this.#waits) {
      if (wait.dueAt > now) {
        this.#watch(wait.dueAt - now)
        return
      }
      if (this.#end(wait, undefined)) this.#notice(new LateCounterError(patience))
    }
  }

  #notice(reason: unknown): void {
    this.#uncounted++
    const now = this.#options.clock.now()
    if (now - this.#noticedAt < NOTICE_INTERVAL_MS) return
    this.#noticedAt = now
    const requests = this.#uncounted
    this.#uncounted = 0
    this.#options.onUncounted(reason, requests)
  }
}
