import type { Backend } from '../backends/backend.js'

/** The weight of a new result in the moving average. */
const GAIN = 0.25
/**
 * The exponent that makes failures count more than in proportion: one failure in a row leaves 42 % of a share, two
 * leave 18 %, five leave 1 %.
 */
const EXPONENT = 3
/** The success rate from which on there is no penalty. */
const FORGIVEN_RATE = 0.99

/** The success rate of one backend, as of one moment. */
interface SuccessRate {
  /** The moving average of results, where a success is 1 and a failure is 0. */
  rate: number
  /** Monotonic milliseconds of the last update. */
  updatedAt: number
}

/**
 * Keeps a backend that fails at once from drawing all requests to itself, because it is always the least loaded one.
 * The recent success rate of a backend, which also recovers with time, decides which part of its fair share it may
 * have. It is a rate and not a count, so that a service that answers 500 to one request in a hundred is balanced like
 * any other.
 */
export class FailurePenalty {
  /** True if any backend has a penalty. While none has, successes need not be reported. */
  any = false
  readonly #decayMs: number
  readonly #rates = new Map<Backend, SuccessRate>()

  /** @param decayMs milliseconds in which the failure rate falls to 1/e by itself; 0 for no penalty at all */
  constructor(decayMs: number) {
    this.#decayMs = decayMs
  }

  /**
   * Records a failed request.
   * @returns true if the backend has a penalty now
   */
  failed(backend: Backend, now: number): boolean {
    if (this.#decayMs === 0) return false
    const rate = this.#rates.get(backend)
    const before = rate ? this.#rateAt(rate, now) : 1
    // A forgiven rate counts as 1, whether or not factorOf() was called since.
    const after = (before > FORGIVEN_RATE ? 1 : before) * (1 - GAIN)
    this.#rates.set(backend, { rate: after, updatedAt: now })
    this.any = true
    return true
  }

  /**
   * Records a successful request.
   * @returns true if the backend had a penalty, which is smaller now
   */
  succeeded(backend: Backend, now: number): boolean {
    const rate = this.#rates.get(backend)
    if (!rate) return false
    const before = this.#rateAt(rate, now)
    rate.rate = before + (1 - before) * GAIN
    rate.updatedAt = now
    if (rate.rate > FORGIVEN_RATE) this.forget(backend)
    return true
  }

  forget(backend: Backend): void {
    this.#rates.delete(backend)
    this.any = this.#rates.size > 0
  }

  /** Returns the penalty factor: the part of its fair share that failures leave a backend, from 0 to 1. */
  factorOf(backend: Backend, now: number): number {
    const rate = this.#rates.get(backend)
    if (!rate) return 1
    const success = this.#rateAt(rate, now)
    if (success <= FORGIVEN_RATE) return success ** EXPONENT
    this.forget(backend)
    return 1
  }

  #rateAt({ rate, updatedAt }: SuccessRate, now: number): number {
    return 1 - (1 - rate) * Math.exp((updatedAt - now) / this.#decayMs)
  }
}
