import type { Backend } from './backend.js'
import type { FailurePenalty } from './failure-penalty.js'
import type { SlowStart } from './slow-start.js'

/** Credit that a backend can save up, so that a turn it could not take is not lost, and no flood follows. */
const SAVED = 2
/** What rounding may have taken off a whole credit. */
const EPSILON = 1e-9

interface Limit {
  /** Requests it may be given now. */
  credit: number
  ramp: number
  kept: number
}

/**
 * Backends that may have only part of their fair share: those on the ramp of slow start, and those with a
 * failure penalty. With each choice such a backend is credited its part of one request, and it stands for
 * choice only while it has a whole one. So its share stays under the limit however idle it is, a backend that
 * rests at the foot of a long ramp is still asked now and then, and every policy abides by it without
 * knowing.
 *
 * Limits are relative to the best-off backend: where all of them ramp, or all fail alike, none is limited.
 */
export class ShareLimits {
  readonly #slowStart: SlowStart
  readonly #penalty: FailurePenalty
  readonly #limits = new Map<Backend, Limit>()
  readonly #barred = new Set<Backend>()

  constructor(slowStart: SlowStart, penalty: FailurePenalty) {
    this.#slowStart = slowStart
    this.#penalty = penalty
  }

  /** Whether there is any. */
  get any(): boolean {
    return this.#limits.size > 0
  }

  /** A backend is on the ramp now. It may have one request at once: at a low rate the next may be far off. */
  joined(backend: Backend): void {
    this.#limits.set(backend, { credit: 1, ramp: 1, kept: 1 })
  }

  /** A backend has a penalty, and nothing saved any more. */
  failed(backend: Backend): void {
    const known = this.#limits.get(backend)
    if (known) known.credit = Math.min(known.credit, 0)
    else this.#limits.set(backend, { credit: 0, ramp: 1, kept: 1 })
  }

  forget(backend: Backend): void {
    this.#limits.delete(backend)
    this.#barred.delete(backend)
  }

  /** The part of its fair share that it may have, from 0 to 1. */
  shareOf(backend: Backend, now: number): number {
    return this.#slowStart.heightOf(backend, now) * this.#penalty.keptBy(backend, now)
  }

  /**
   * Credits everybody for one choice.
   * @param parts what of the requests is a backend's fair share, from 0 to 1
   * @param eligible how many backends there are to choose from
   * @returns those that are not to be chosen this time
   */
  barred(now: number, eligible: number, part: (backend: Backend) => number): ReadonlySet<Backend> {
    let limited = 0
    let bestRamp = 0
    let bestKept = 0
    for (const [backend, limit] of this.#limits) {
      limit.ramp = this.#slowStart.heightOf(backend, now)
      limit.kept = this.#penalty.keptBy(backend, now)
      if (limit.ramp === 1 && limit.kept === 1) {
        this.forget(backend)
      } else if (backend.isEligible) {
        limited++
        bestRamp = Math.max(bestRamp, limit.ramp)
        bestKept = Math.max(bestKept, limit.kept)
      }
    }
    const unlimited = limited < eligible
    for (const [backend, limit] of this.#limits) {
      if (!backend.isEligible) continue
      const share = unlimited
        ? limit.ramp * limit.kept
        : relative(limit.ramp, bestRamp) * relative(limit.kept, bestKept)
      limit.credit = Math.min(SAVED, limit.credit + share * part(backend))
      if (share < 1 && limit.credit < 1 - EPSILON) this.#barred.add(backend)
      else this.#barred.delete(backend)
    }
    return this.#barred
  }

  /** A backend was chosen. */
  charge(backend: Backend): void {
    const limit = this.#limits.get(backend)
    if (limit) limit.credit = Math.max(-1, limit.credit - 1)
  }
}

function relative(value: number, best: number): number {
  return best === 0 ? 1 : value / best
}
