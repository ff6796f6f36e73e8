/** A backend as one of two that are drawn. */
export interface Contender {
  weight: number
  canBeChosen: boolean
  /** Whether it has no load. Two idle backends are compared by deficit, others by load. */
  isIdle: boolean
  deficit: number
  load: number
}

/**
 * The probability with which `PowerOfTwo` chooses each backend: two different ones are drawn by weight, the first wins a
 * tie, and where one of the two cannot be chosen both are drawn again; after so many draws, only from those that can.
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
  /** Times the weight of another one: the probability that the other is drawn second where this one is drawn first. */
  secondFactor: number
}

/**
 * Of each contender the probability that one draw finds it and another contender, and that it is the better.
 * @param totalWeight of all that are drawn from, contenders or not
 */
function winProbabilities(contenders: readonly Contender[], totalWeight: number): number[] {
  const drawn = contenders.map((one) => ({ ...one, secondFactor: 1 / (totalWeight - one.weight) }))
  const byLoad = new Ranking(drawn, ({ load }) => load)
  const idle = drawn.filter(({ isIdle }) => isIdle)
  const idleByLoad = new Ranking(idle, ({ load }) => load)
  // The larger deficit is better.
  const idleByDeficit = new Ranking(idle, ({ deficit }) => -deficit)
  return drawn.map((one) => {
    const weight = byLoad.beatenBy(one)
    if (!one.isIdle) return weight / totalWeight
    return (weight - idleByLoad.beatenBy(one) + idleByDeficit.beatenBy(one)) / totalWeight
  })
}

/** Contenders in order, the best first, so that all that one of them beats can be summed up at once. */
class Ranking {
  readonly #keyOf: (one: Drawn) => number
  readonly #keys: Float64Array
  /** The weights of all from an index on, and those weights times `secondFactor`. */
  readonly #weights: Float64Array
  readonly #secondWeights: Float64Array

  /** @param keyOf what is compared: the least is best */
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

  /** The probability of a pair with one that it beats, times the total weight. */
  beatenBy(one: Drawn): number {
    const key = this.#keyOf(one)
    const [tie, worse] = [this.#indexOf(key, false), this.#indexOf(key, true)]
    const tied = (this.#weights[tie] as number) - (this.#weights[worse] as number) - one.weight
    const beaten = this.#weights[worse] as number
    // Drawn first, it wins ties as well.
    return one.weight * ((beaten + tied) * one.secondFactor + (this.#secondWeights[worse] as number))
  }

  /** The index of the first key that is not less, or with `above` that is more, than this one. */
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
