import type { Clock } from '../balancer/time/clock.js'
import { ExhaustedKeys } from './exhausted-keys.js'
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
  /** Is called when requests are counted again, with how many could not be counted in between. */
  onCounted?(requests: number): void
}

interface Wait {
  readonly key: string
  readonly max: number
  readonly dueAt: number
  readonly done: (count: RateCount | undefined) => void
}

/** Shortest time between two calls of `onUncounted` while requests cannot be counted. */
const NOTICE_INTERVAL_MS = 10_000
/** Time without a failure after which requests are counted again. It keeps a counter that fails now and then from being told about each time. */
const RECOVERY_MS = 1000
/** A timer that is later than this shows that this thread was busy, and has not read what came meanwhile. */
const BUSY_MS = 20

/**
 * A counter that is not waited for longer than a request can bear, and whose failure is no failure of the request. After
 * an answer that is late no request waits until there is an answer in time. What it has answered of a key whose requests
 * are used up holds until the window ends, also while it does not answer.
 */
export class PatientCounter {
  readonly #options: PatientCounterOptions
  readonly #exhausted = new ExhaustedKeys()
  /** Requests that wait for their count, in the order in which their patience ends. */
  readonly #waits = new Set<Wait>()
  /** One timer for all that wait. */
  #isTimed = false
  /** When the timer is due. */
  #lookAt = 0
  /** True if answers were given time to be read, after this thread was busy. */
  #hasRead = false
  /** Why no request waits; undefined while they do. */
  #late: LateCounterError | undefined
  /** When a counter that is late is asked again. */
  #askAt = Number.NEGATIVE_INFINITY
  /** Requests that could not be counted since requests were counted last; 0 while they are. */
  #uncounted = 0
  /** Those of them that have not been told about. */
  #untold = 0
  #failedAt = 0
  #noticedAt = 0

  constructor(options: PatientCounterOptions) {
    this.#options = options
  }

  /**
   * Counts one request.
   * @param done is called once, with undefined where the request could not be counted
   */
  increment(key: string, window: number, max: number, done: (count: RateCount | undefined) => void): void {
    const { counter, clock, patience } = this.#options
    const exhausted = this.#exhausted.size > 0 ? this.#exhausted.of(key, max, clock.now()) : undefined
    if (exhausted) {
      done(exhausted)
      return
    }
    const late = this.#late
    if (late && clock.now() < this.#askAt) {
      this.#fail(late, done)
      return
    }
    let count: ReturnType<RateLimitCounter['increment']>
    try {
      count = counter.increment(key, window, max)
    } catch (error) {
      this.#fail(error, done)
      return
    }
    if (count === undefined || !('then' in count)) {
      if (count) this.#counted()
      done(count)
      return
    }
    const wait = { key, max, dueAt: clock.now() + patience, done }
    this.#waits.add(wait)
    count.then(
      (value) => this.#answered(wait, value),
      (error) => {
        if (this.#waits.delete(wait)) this.#fail(error, done)
      },
    )
    if (late) {
      // This request shows whether the counter is in time again; it does not wait for that.
      this.#askAt = wait.dueAt
      this.#giveUp(wait, late)
    } else {
      this.#watch(patience)
    }
  }

  #answered(wait: Wait, count: RateCount | undefined): void {
    const now = this.#options.clock.now()
    if (count && count.current > wait.max) this.#exhausted.add(wait.key, count, now)
    if (now <= wait.dueAt) {
      this.#late = undefined
      if (count) this.#counted()
    }
    if (this.#waits.delete(wait)) wait.done(count)
  }

  #giveUp(wait: Wait, reason: LateCounterError): void {
    this.#waits.delete(wait)
    this.#fail(reason, wait.done)
  }

  #watch(delay: number): void {
    if (this.#isTimed) return
    this.#isTimed = true
    this.#lookAt = this.#options.clock.now() + delay
    this.#options.clock.after(delay, this.#look)
  }

  readonly #look = (): void => {
    this.#isTimed = false
    const { clock, patience } = this.#options
    const now = clock.now()
    if (now - this.#lookAt > BUSY_MS && !this.#hasRead) {
      this.#hasRead = true
      this.#watch(1)
      return
    }
    this.#hasRead = false
    for (const wait of this.#waits) {
      if (wait.dueAt > now) {
        this.#watch(wait.dueAt - now)
        return
      }
      this.#late ??= new LateCounterError(patience)
      this.#giveUp(wait, this.#late)
    }
  }

  #fail(reason: unknown, done: Wait['done']): void {
    const now = this.#options.clock.now()
    this.#failedAt = now
    this.#untold++
    if (this.#uncounted++ === 0 || now - this.#noticedAt >= NOTICE_INTERVAL_MS) {
      this.#noticedAt = now
      const requests = this.#untold
      this.#untold = 0
      this.#options.onUncounted(reason, requests)
    }
    done(undefined)
  }

  #counted(): void {
    if (this.#uncounted === 0 || this.#options.clock.now() - this.#failedAt < RECOVERY_MS) return
    const requests = this.#uncounted
    this.#uncounted = 0
    this.#untold = 0
    this.#options.onCounted?.(requests)
  }
}
