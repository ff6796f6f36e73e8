import type { Backend } from '../backends/backend.js'
import { RefusalTally } from './refusal-tally.js'

/** Milliseconds in which the weight of an answer falls to 1/e, about a third. */
const DECAY_MS = 10_000
/** Milliseconds in which all answers are given the same weight, as computing it for each costs too much. */
const WEIGHT_STEP_MS = 100
/** The exponent of e from which on all weights are scaled down, so that they stay finite. */
const MAX_EXPONENT = 50
/** Intervals of equal width into which shares from 0 to 1 are counted, for the median. */
const CLASSES = 32
/** Recent answers that are needed to judge a backend, to go on with a judgement, and of others to compare it with. */
const MIN_ANSWERS = 20
const MIN_ANSWERS_TO_GO_ON = 5
const MIN_ANSWERS_OF_OTHERS = 2
/** How far above the others a share has to be to stand out, and to go on standing out. */
const MARGIN = 0.15
const EXIT_MARGIN = 0.05
/** How many standard deviations it has to be above them, so that it is no chance. */
const DEVIATIONS = 4

/**
 * Finds the backend that refuses what others answer: whose share of answers from 400 on, gateway failures aside, stands
 * far above that of the others. A refusal is often made faster than an answer, so that such a backend is always the
 * least loaded one and would draw to itself the more requests the less it does with them.
 *
 * A share is compared with the median of the shares of the others, so that where most refuse alike, as they do what a
 * client provokes or what is nowhere to be found, nobody stands out. And it has to be more than chance, by the test of
 * two proportions (https://en.wikipedia.org/wiki/Two-proportion_Z-test).
 */
export class RefusalOutliers {
  readonly #changed: (backend: Backend, isOutlier: boolean) => void
  readonly #tallies = new Set<RefusalTally>()
  /** Backends of each class. */
  readonly #classes = new Uint32Array(CLASSES)
  /** The weight of the answers of all backends. */
  #answers = 0
  /** What an answer weighs now: later ones weigh more, instead of earlier ones less and less. */
  #weight = 1
  #weighedUntil = 0
  #origin = 0

  /** @param changed called when a backend begins or ceases to stand out */
  constructor(changed: (backend: Backend, isOutlier: boolean) => void) {
    this.#changed = changed
  }

  /** A backend has answered, and with no gateway failure. */
  answered(backend: Backend, isRefusal: boolean, now: number): void {
    if (now >= this.#weighedUntil) this.#weigh(now)
    const tally = backend.refusals ?? this.#begin(backend)
    tally.answers += this.#weight
    this.#answers += this.#weight
    if (isRefusal) tally.refused += this.#weight
    else if (tally.refused === 0 && tally.class === 0) return
    this.#classify(tally)
    const isOutlier = this.#judge(tally)
    if (isOutlier === tally.isOutlier) return
    tally.isOutlier = isOutlier
    this.#changed(backend, isOutlier)
  }

  /** Forgets what a backend has answered. */
  forget(backend: Backend): void {
    const tally = backend.refusals
    if (!tally) return
    backend.refusals = undefined
    this.#tallies.delete(tally)
    this.#answers = Math.max(0, this.#answers - tally.answers)
    if (tally.class !== -1) this.#count(tally.class, -1)
    if (tally.isOutlier) this.#changed(backend, false)
  }

  #begin(backend: Backend): RefusalTally {
    const tally = new RefusalTally()
    this.#tallies.add(tally)
    backend.refusals = tally
    return tally
  }

  #weigh(now: number): void {
    this.#weighedUntil = now + WEIGHT_STEP_MS
    const exponent = (now - this.#origin) / DECAY_MS
    if (exponent <= MAX_EXPONENT) {
      this.#weight = Math.exp(exponent)
      return
    }
    const scale = Math.exp(-exponent)
    for (const tally of this.#tallies) {
      tally.answers *= scale
      tally.refused *= scale
    }
    this.#answers *= scale
    this.#origin = now
    this.#weight = 1
  }

  #classify(tally: RefusalTally): void {
    const found = Math.min(CLASSES - 1, Math.floor((CLASSES * tally.refused) / tally.answers))
    if (found === tally.class) return
    if (tally.class !== -1) this.#count(tally.class, -1)
    this.#count(found, 1)
    tally.class = found
  }

  #count(of: number, change: number): void {
    this.#classes[of] = (this.#classes[of] as number) + change
  }

  #judge(tally: RefusalTally): boolean {
    const share = tally.refused / tally.answers
    const margin = tally.isOutlier ? EXIT_MARGIN : MARGIN
    if (share < margin) return false
    const answers = tally.answers / this.#weight
    const ofOthers = (this.#answers - tally.answers) / this.#weight
    if (answers < (tally.isOutlier ? MIN_ANSWERS_TO_GO_ON : MIN_ANSWERS)) return false
    // Where it draws nearly everything to itself there is little to compare it with.
    if (ofOthers < MIN_ANSWERS_OF_OTHERS) return tally.isOutlier
    const usual = this.#usualBeside(tally)
    if (share < usual + margin) return false
    if (tally.isOutlier) return true
    const both = (share * answers + usual * ofOthers + 1) / (answers + ofOthers + 2)
    const deviation = Math.sqrt(both * (1 - both) * (1 / answers + 1 / ofOthers))
    return share - usual >= DEVIATIONS * deviation
  }

  /** The median of the shares of the others; in doubt the greater one, and the upper end of its class. 1 without any. */
  #usualBeside(tally: RefusalTally): number {
    let others = 0
    for (const count of this.#classes) others += count
    others--
    let left = Math.floor(others / 2)
    for (let i = 0; i < CLASSES; i++) {
      left -= (this.#classes[i] as number) - Number(i === tally.class)
      if (left < 0) return i === 0 ? 0 : (i + 1) / CLASSES
    }
    return 1
  }
}
