/** A backend that may be one of two that are drawn. */
export interface Contender {
  weight: number
  canBeChosen: boolean
  /** True if the backend has no load. Two idle backends are compared by deficit, others by load. */
  isIdle: boolean
  deficit: number
  load: number
}

/**
 * Computes the probability with which `PowerOfTwo` chooses each backend. The policy draws two different backends by
 * weight, of which the first wins a tie. If one of the two cannot be chosen, both are drawn again; after `maxDraws`
 * draws, only from the backends that can be chosen.
 */
export function betterOfTwoProbabilities(all: readonly Contender[], maxDraws: number): number[] {
  const choosable = all.filter(({ canBeChosen }) => canBeChosen)
  const [only] = choosable
  if (choosable.length <= 1) return all.map((one) => (one === only ? 1 : 0))
  const byDraw = winProbabilities(choosable, weightOf(all))
  const missed = 1 - byDraw.reduce((sum, probability) => sum + probability, 0)
  const byLastDraw = winProbabilities(choosable, weightOf(choosable))
  let expectedDraws = 0
  for (let i = 0; i < maxDraws; i++) expectedDraws += missed ** i
  let next = 0
  return all.map(({ canBeChosen }) => {
    if (!canBeChosen) return 0
    const i = next++
    return (byDraw[i] as number) * expectedDraws + (byLastDraw[i] as number) * missed ** maxDraws
  })
}

interface Drawn extends Contender {
  /**
   * Multiplied by the weight of another backend, this is the probability that the other is drawn second where this one
   * is drawn first.
   */
  secondFactor: number
}

/**
 * Computes, for each contender, the probability that one draw finds it together with another contender, and that it is
 * the better of the two.
 * @param totalWeight the weight of all backends that are drawn from, whether they are contenders or not
 */
function winProbabilities(contenders: readonly Contender[], totalWeight: number): number[] {
  const drawn = contenders.map((one) => ({ ...one, secondFactor: 1 / (totalWeight - one.weight) }))
  const byLoad = new Ranking(drawn, ({ load }) => load)
  const idle = drawn.filter(({ isIdle }) => isIdle)
  const idleByLoad = new Ranking(idle, ({ load }) => load)
  // The larger deficit is better, and the least key is best.
  const idleByDeficit = new Ranking(idle, ({ deficit }) => -deficit)
  return drawn.map((one) => {
    const weight = byLoad.beatenBy(one)
    if (!one.isIdle) return weight / totalWeight
    return (weight - idleByLoad.beatenBy(one) + idleByDeficit.beatenBy(one)) / totalWeight
  })
}

/** Contenders in order, the best first, so that the weights of all that one of them beats are a single sum. */
class Ranking {
  readonly #keyOf: (one: Drawn) => number
  readonly #keys: Float64Array
  /**
   * At each index, the sum of the weights of all contenders from there on, and the sum of those weights times
   * `secondFactor`.
   */
  readonly #weights: Float64Array
  readonly #secondWeights: Float64Array

  /** @param keyOf returns the key by which contenders are compared: the least is best */
  constructor(drawn: readonly Drawn[], keyOf: (one: Drawn) => number) {
    const sorted = drawn.toSorted((a, b) => keyOf(a) - keyOf(b))
    this.#keyOf = keyOf
    this.#keys = Float64Array.from(sorted, keyOf)
    this.#weights = new Float64Array(sorted.length + 1)
    this.#secondWeights = new Float64Array(sorted.length + 1)
    for (let i = sorted.length - 1; i >= 0; i--) {
      const { weight, secondFactor } = sorted[i] as Drawn
      this.#weights[i] = (this.#weights[i + 1] as number) + weight
      this.#secondWeights[i] = (this.#secondWeights[i + 1] as number) + weight * secondFactor
    }
  }

  /** Returns the probability of drawing a pair of this contender and one that it beats, times the total weight. */
  beatenBy(one: Drawn): number {
    const key = this.#keyOf(one)
    const [tie, worse] = [this.#indexOf(key, false), this.#indexOf(key, true)]
    const tied = (this.#weights[tie] as number) - (this.#weights[worse] as number) - one.weight
    const beaten = this.#weights[worse] as number
    // A contender that is drawn first also wins ties.
    return one.weight * ((beaten + tied) * one.secondFactor + (this.#secondWeights[worse] as number))
  }

  /**
   * Returns the index of the first key that is not less than `key`, or with `above` the first that is more than `key`.
   */
  #indexOf(key: number, above: boolean): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const at = this.#keys[middle] as number
      if (at < key || (above && at === key)) low = middle + 1
      else high = middle
    }
    return low
  }
}

function weightOf(contenders: readonly Contender[]): number {
  return contenders.reduce((sum, { weight }) => sum + weight, 0)
}
