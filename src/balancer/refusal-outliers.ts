import type { Backend } from './backend.js'
import { RefusalTally } from './refusal-tally.js'

/** Milliseconds in which an answer comes to count for a third. */
const DECAY = 10_000
/** Milliseconds for which one weight is good enough. */
const STEP = 100
/** The exponent of a weight at which all of them are made small again. */
const HIGHEST = 50
/** Classes of shares, each as wide as another. */
const CLASSES = 32
/** Answers of late that are too few to judge a backend by, to go on with a judgement, and to compare it with. */
const FEW = 20
const TOO_FEW = 5
const FEW_OF_OTHERS = 2
/** How far above the others a share has to be, and has to stay. */
const MARGIN = 0.15
const LEFT_MARGIN = 0.05
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
  /** Of all backends. */
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

  /** Nothing is known of it any more. */
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
    this.#weighedUntil = now + STEP
    const exponent = (now - this.#origin) / DECAY
    if (exponent <= HIGHEST) {
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
    const margin = tally.isOutlier ? LEFT_MARGIN : MARGIN
    if (share < margin) return false
    const answers = tally.answers / this.#weight
    const ofOthers = (this.#answers - tally.answers) / this.#weight
    if (answers < (tally.isOutlier ? TOO_FEW : FEW)) return false
    // Where it draws nearly everything to itself there is little to compare it with.
    if (ofOthers < FEW_OF_OTHERS) return tally.isOutlier
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
