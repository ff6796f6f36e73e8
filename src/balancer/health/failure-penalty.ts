import type { Backend } from '../backends/backend.js'
import { type HealthMemory, markOf } from './health-memory.js'

/** The weight of a new result in the moving average. */
const GAIN = 0.25
/**
 * The exponent that makes failures count more than in proportion: one failure in a row leaves 42 % of a share, two
 * leave 18 %, five leave 1 %.
 */
const EXPONENT = 3
/** The success rate from which on there is no penalty. */
const FORGIVEN_RATE = 0.99

/**
 * Keeps a backend that fails at once from drawing all requests to itself, because it is always the least loaded one.
 * The recent success rate of a backend, which also recovers with time, decides which part of its fair share it may
 * have. It is a rate and not a count, so that a service that answers 500 to one request in a hundred is balanced like
 * any other.
 *
 * The failure rate is a moving average of results, where a failure is 1 and a success is 0, and falls with time as
 * `exp(-t / decay)`. So it is at any time `exp((mark - now) / decay)` for one number, the mark, which a result moves:
 * threads that share the pool exchange it as a whole, and lose no result of each other.
 */
export class FailurePenalty {
  #decayMs: number

  /** @param decayMs milliseconds in which the failure rate falls to 1/e by itself; 0 for no penalty at all */
  constructor(decayMs: number) {
    this.#decayMs = decayMs
  }

  /**
   * Takes another time of decay.
   * @param known the backends whose failure rate stays as it is now and falls at the new pace; a worker leaves that to
   *   the control plane, and gives none
   */
  configure(decayMs: number, known: readonly Backend[], now: number): void {
    const before = this.#decayMs
    this.#decayMs = decayMs
    if (decayMs === before) return
    for (const { healthMemory } of known) {
      if (decayMs === 0) healthMemory.forgetFailures()
      else if (healthMemory.failureMark !== 0) rescale(healthMemory, decayMs / before, now)
    }
  }

  /** Returns true if the backend may have a penalty, so that a success should be recorded. */
  has(backend: Backend): boolean {
    return backend.healthMemory.failureMark !== 0
  }

  /**
   * Records a failed request.
   * @returns true if the backend has a penalty now
   */
  failed(backend: Backend, now: number): boolean {
    if (this.#decayMs === 0) return false
    for (;;) {
      const mark = backend.healthMemory.failureMark
      const before = this.#successRate(mark, now)
      // A forgiven rate counts as 1, whether or not factorOf() was called since.
      const after = (before > FORGIVEN_RATE ? 1 : before) * (1 - GAIN)
      if (backend.healthMemory.replaceFailureMark(mark, markOf(now + this.#decayMs * Math.log(1 - after))))
        return true
    }
  }

  /**
   * Records a successful request.
   * @returns true if the backend had a penalty, which is smaller now
   */
  succeeded(backend: Backend, now: number): boolean {
    for (;;) {
      const mark = backend.healthMemory.failureMark
      if (mark === 0) return false
      // Taking a part off the failure rate is the same as letting a certain time pass.
      const less = mark + this.#decayMs * Math.log(1 - GAIN)
      const after = this.#successRate(less, now) > FORGIVEN_RATE ? 0 : markOf(less)
      if (backend.healthMemory.replaceFailureMark(mark, after)) return true
    }
  }

  forget(backend: Backend): void {
    backend.healthMemory.forgetFailures()
  }

  /** Returns the penalty factor: the part of its fair share that failures leave a backend, from 0 to 1. */
  factorOf(backend: Backend, now: number): number {
    const mark = backend.healthMemory.failureMark
    if (mark === 0) return 1
    const success = this.#successRate(mark, now)
    if (success <= FORGIVEN_RATE) return success ** EXPONENT
    backend.healthMemory.replaceFailureMark(mark, 0)
    return 1
  }

  #successRate(mark: number, now: number): number {
    if (mark === 0 || this.#decayMs === 0) return 1
    return 1 - Math.exp((mark - now) / this.#decayMs)
  }
}

/** Moves a failure mark so that the rate is the same now with a time of decay that is `factor` times as long. */
function rescale(memory: HealthMemory, factor: number, now: number): void {
  for (;;) {
    const mark = memory.failureMark
    if (mark === 0 || memory.replaceFailureMark(mark, markOf(now + (mark - now) * factor))) return
  }
}
