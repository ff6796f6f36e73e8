import type { Backend } from './backend.js'
import type { FailurePenalty } from './failure-penalty.js'
import type { SlowStart } from './slow-start.js'

/** Credit that a backend can save up, so that a turn it could not take is not lost, and no flood follows. */
const SAVED = 2
/** Milliseconds between two requests that a backend with a penalty is given in need. */
const REST = 1000
/** Where all are on the ramp, what is too little of a difference to matter. */
const NEAR = 0.1
/** What rounding may have taken off a whole credit. */
const EPSILON = 1e-9

interface Limit {
  /** Requests it may be given now. */
  credit: number
  /** The parts of its fair share that slow start and failures leave it now. */
  ramp: number
  kept: number
  /** When it was given a request in need. */
  neededAt: number
}

/**
 * Backends that may have only part of their fair share: those on the ramp of slow start, and those with a
 * failure penalty. With each choice such a backend is credited its part of one request, and it stands for
 * choice only while it has a whole one. So its share stays under the limit however idle it is, a backend that
 * rests at the foot of a long ramp is still asked now and then, and every policy abides by it without
 * knowing.
 *
 * Where all are on the ramp the one that is furthest up is the measure. Where more than half have a penalty
 * nobody has one: it is not the backends then, and the first to succeed must not be given everything. And
 * where all that are not limited are full, the others are used before requests have to wait: in proportion to
 * the ramp, or once a second where failures are the reason.
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

  /** The same as of now, to find out on it what would be: nothing that happens to it changes this one. */
  copy(): ShareLimits {
    const copy = new ShareLimits(this.#slowStart, this.#penalty)
    for (const [backend, limit] of this.#limits) copy.#limits.set(backend, { ...limit })
    return copy
  }

  /** A backend is on the ramp now. It may have one request at once: at a low rate the next may be far off. */
  joined(backend: Backend): void {
    this.#limits.set(backend, unlimited(1))
  }

  /** A backend has a penalty, and nothing saved any more. */
  failed(backend: Backend): void {
    const known = this.#limits.get(backend)
    if (known) known.credit = Math.min(known.credit, 0)
    else this.#limits.set(backend, unlimited(0))
  }

  forget(backend: Backend): void {
    this.#limits.delete(backend)
    this.#barred.delete(backend)
  }

  /** The parts of its fair share that slow start and failures leave it, each from 0 to 1. */
  partsOf(backend: Backend, now: number): { ramp: number; kept: number } {
    return { ramp: this.#slowStart.heightOf(backend, now), kept: this.#penalty.keptBy(backend, now) }
  }

  /** The part of its fair share that it may have, from 0 to 1. */
  shareOf(backend: Backend, now: number): number {
    return this.#slowStart.heightOf(backend, now) * this.#penalty.keptBy(backend, now)
  }

  /**
   * @param eligible how many backends there are to choose from
   * @returns those that are not to be chosen now
   */
  barred(now: number, eligible: number): ReadonlySet<Backend> {
    let ramping = 0
    let sick = 0
    let best = 0
    for (const [backend, limit] of this.#limits) {
      limit.ramp = this.#slowStart.heightOf(backend, now)
      limit.kept = this.#penalty.keptBy(backend, now)
      if (limit.ramp === 1 && limit.kept === 1) {
        this.forget(backend)
      } else if (backend.isEligible) {
        if (limit.ramp < 1) ramping++
        if (limit.kept < 0.5) sick++
        best = Math.max(best, limit.ramp)
      }
    }
    this.#barred.clear()
    for (const [backend, limit] of this.#limits) {
      if (!backend.isEligible) continue
      if (ramping === eligible) limit.ramp = (limit.ramp + NEAR) / (best + NEAR)
      if (2 * sick > eligible) limit.kept = 1
      if (limit.ramp * limit.kept < 1 && limit.credit < 1 - EPSILON) this.#barred.add(backend)
    }
    return this.#barred
  }

  /**
   * Those of the barred that are not even to be chosen in need.
   * @param mean requests in flight on a backend, on average
   */
  resting(now: number, mean: number): ReadonlySet<Backend> {
    const resting = new Set<Backend>()
    for (const backend of this.#barred) {
      const { ramp, kept, neededAt } = this.#limits.get(backend) as Limit
      const room = Number.isFinite(backend.maxConnections) ? backend.maxConnections : mean
      const rests = kept < 1 ? now < neededAt + REST : backend.inFlight >= Math.max(1, ramp * room)
      if (rests) resting.add(backend)
    }
    return resting
  }

  /**
   * A backend was chosen: it pays for that, and everybody gets his part of one request.
   * @param total weight of the eligible backends
   */
  chosen(chosen: Backend, now: number, weightOf: (backend: Backend) => number, total: number): void {
    // What those on the ramp cannot take is the others' to share.
    let grown = total
    for (const [backend, { ramp }] of this.#limits) {
      if (backend.isEligible) grown -= weightOf(backend) * (1 - ramp)
    }
    for (const [backend, limit] of this.#limits) {
      if (!backend.isEligible) continue
      if (backend === chosen) {
        limit.credit = Math.max(-1, limit.credit - 1)
        if (this.#barred.has(backend)) limit.neededAt = now
      }
      const part = weightOf(backend) / (limit.ramp < 1 ? total : grown)
      limit.credit = Math.min(SAVED, limit.credit + limit.ramp * limit.kept * part)
    }
  }
}

function unlimited(credit: number): Limit {
  return { credit, ramp: 1, kept: 1, neededAt: Number.NEGATIVE_INFINITY }
}
