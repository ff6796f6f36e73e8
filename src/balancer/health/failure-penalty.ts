import type { Backend } from '../backends/backend.js'

/** What one more result weighs against those before it. */
const GAIN = 0.25
/** How hard failures bite: one in a row leaves 42 % of a backend's share, two 18 %, five 1 %. */
const EXPONENT = 3
/** Above this a backend's past is forgotten. */
const FORGIVEN = 0.99

interface Record {
  /** Moving average of results, 1 for a success and 0 for a failure. */
  success: number
  at: number
}

/**
 * Keeps the fast-failure sink closed: a backend that fails at once is always the least loaded one and would
 * draw everything to itself. What a backend succeeded with lately, a moving average over its results that
 * also recovers with time, decides how much of its share it keeps. It is a ratio and not a count, so that
 * a service that answers 500 to one request in a hundred is balanced like any other.
 */
export class FailurePenalty {
  readonly #decay: number
  readonly #records = new Map<Backend, Record>()

  /** @param decay milliseconds in which a penalty falls to a third by itself; 0 for no penalty at all */
  constructor(decay: number) {
    this.#decay = decay
  }

  /** Whether there is any. */
  get any(): boolean {
    return this.#records.size > 0
  }

  /** Returns whether there is a penalty. */
  failed(backend: Backend, now: number): boolean {
    if (this.#decay === 0) return false
    const record = this.#records.get(backend)
    const before = record ? this.#successOf(record, now) : 1
    // What is forgiven is so whether somebody has looked since or not.
    const success = (before > FORGIVEN ? 1 : before) * (1 - GAIN)
    this.#records.set(backend, { success, at: now })
    return true
  }

  /** Returns whether there was a penalty, which is less now. */
  succeeded(backend: Backend, now: number): boolean {
    const record = this.#records.get(backend)
    if (!record) return false
    const success = this.#successOf(record, now)
    record.success = success + (1 - success) * GAIN
    record.at = now
    if (record.success > FORGIVEN) this.#records.delete(backend)
    return true
  }

  forget(backend: Backend): void {
    this.#records.delete(backend)
  }

  /** The part of its share that it keeps, from 0 to 1. */
  keptBy(backend: Backend, now: number): number {
    const record = this.#records.get(backend)
    if (!record) return 1
    const success = this.#successOf(record, now)
    if (success <= FORGIVEN) return success ** EXPONENT
    this.#records.delete(backend)
    return 1
  }

  #successOf({ success, at }: Record, now: number): number {
    return 1 - (1 - success) * Math.exp((at - now) / this.#decay)
  }
}
