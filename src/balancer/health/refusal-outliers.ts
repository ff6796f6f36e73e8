import type { Backend } from '../backends/backend.js'
import { AnswerTally } from './answer-tally.js'

/** Time in which the weight of an answer falls to 1/e. */
const DECAY_MS = 10_000
/** Time for which all answers get the same weight, because computing it for each answer costs too much. */
const WEIGHT_STEP_MS = 100
/** The exponent of e beyond which all weights are scaled down, so that they stay finite. */
const MAX_EXPONENT = 50
/** Number of classes, of equal width, in the histogram of shares from 0 to 1 from which the median is taken. */
const CLASS_COUNT = 32
/**
 * Smallest numbers of recent answers: for a backend to become an outlier, for an outlier to stay one, and of the other
 * backends together for a comparison.
 */
const MIN_ANSWERS_TO_BECOME = 20
const MIN_ANSWERS_TO_STAY = 5
const MIN_ANSWERS_OF_OTHERS = 2
/**
 * Smallest differences between a backend's share and the median of the others: to become an outlier, and to stay one.
 */
const MARGIN_TO_BECOME = 0.15
const MARGIN_TO_STAY = 0.05
/** Smallest difference from the median to become an outlier, in standard deviations, so that it is not by chance. */
const MIN_DEVIATIONS = 4

/**
 * Finds backends that refuse what others answer: their share of responses with a status from 400 on, gateway failures
 * aside, is far above that of the others. A refusal is often faster than an answer, so such a backend is always the
 * least loaded one, and would draw most requests to itself.
 *
 * A share is compared with the median of the other backends' shares. If most backends refuse alike, for example because
 * requests are wrong or ask for what does not exist, none is an outlier. The difference must also be significant by the
 * two-proportion z-test (https://en.wikipedia.org/wiki/Two-proportion_Z-test).
 */
export class RefusalOutliers {
  readonly #changed: (backend: Backend, isOutlier: boolean) => void
  readonly #tallies = new Set<AnswerTally>()
  /** Number of backends whose share falls in each class. */
  readonly #histogram = new Uint32Array(CLASS_COUNT)
  /** Total weight of all answers of all backends. */
  #answers = 0
  /**
   * The weight of an answer now. It grows with time, which saves reducing the weights of earlier answers again and
   * again.
   */
  #weight = 1
  /** Monotonic milliseconds until which this weight applies, and at which the weight was 1. */
  #weightUntil = 0
  #weightOneAt = 0

  /** @param changed called when a backend becomes an outlier or ceases to be one */
  constructor(changed: (backend: Backend, isOutlier: boolean) => void) {
    this.#changed = changed
  }

  /**
   * Records an answer of a backend that is no gateway failure.
   * @param now monotonic milliseconds
   */
  answered(backend: Backend, isRefusal: boolean, now: number): void {
    if (now >= this.#weightUntil) this.#updateWeight(now)
    const tally = backend.answerTally ?? this.#begin(backend)
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

  /** Forgets the answers of a backend, because they no longer apply. */
  forget(backend: Backend): void {
    const tally = backend.answerTally
    if (!tally) return
    backend.answerTally = undefined
    this.#tallies.delete(tally)
    this.#answers = Math.max(0, this.#answers - tally.answers)
    if (tally.class !== -1) this.#count(tally.class, -1)
    if (tally.isOutlier) this.#changed(backend, false)
  }

  #begin(backend: Backend): AnswerTally {
    const tally = new AnswerTally()
    this.#tallies.add(tally)
    backend.answerTally = tally
    return tally
  }

  #updateWeight(now: number): void {
    this.#weightUntil = now + WEIGHT_STEP_MS
    const exponent = (now - this.#weightOneAt) / DECAY_MS
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
    this.#weightOneAt = now
    this.#weight = 1
  }

  #classify(tally: AnswerTally): void {
    const found = Math.min(CLASS_COUNT - 1, Math.floor((CLASS_COUNT * tally.refused) / tally.answers))
    if (found === tally.class) return
    if (tally.class !== -1) this.#count(tally.class, -1)
    this.#count(found, 1)
    tally.class = found
  }

  #count(of: number, change: number): void {
    this.#histogram[of] = (this.#histogram[of] as number) + change
  }

  #judge(tally: AnswerTally): boolean {
    const share = tally.refused / tally.answers
    const margin = tally.isOutlier ? MARGIN_TO_STAY : MARGIN_TO_BECOME
    if (share < margin) return false
    const answers = tally.answers / this.#weight
    const ofOthers = (this.#answers - tally.answers) / this.#weight
    if (answers < (tally.isOutlier ? MIN_ANSWERS_TO_STAY : MIN_ANSWERS_TO_BECOME)) return false
    // A backend that gets nearly all requests cannot be compared, because the others have too few answers.
    if (ofOthers < MIN_ANSWERS_OF_OTHERS) return tally.isOutlier
    const median = this.#medianWithout(tally)
    if (share < median + margin) return false
    if (tally.isOutlier) return true
    const pooled = (share * answers + median * ofOthers + 1) / (answers + ofOthers + 2)
    const deviation = Math.sqrt(pooled * (1 - pooled) * (1 / answers + 1 / ofOthers))
    return share - median >= MIN_DEVIATIONS * deviation
  }

  /**
   * Returns the median of the other backends' shares, as the upper end of its class (0 for the lowest class); the
   * larger one of two middle shares, and 1 without others.
   */
  #medianWithout(tally: AnswerTally): number {
    let others = 0
    for (const count of this.#histogram) others += count
    others--
    let left = Math.floor(others / 2)
    for (let i = 0; i < CLASS_COUNT; i++) {
      left -= (this.#histogram[i] as number) - Number(i === tally.class)
      if (left < 0) return i === 0 ? 0 : (i + 1) / CLASS_COUNT
    }
    return 1
  }
}
