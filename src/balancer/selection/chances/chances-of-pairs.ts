/** A backend as {@link chancesOfPairs} sees it. */
export interface Contender {
  weight: number
  /** Whether it may be chosen. */
  fits: boolean
  /** Two that are idle are compared by what they are owed, others by load. */
  idle: boolean
  owed: number
  load: number
}

/**
 * The probability with which each is chosen by `PowerOfTwo`: two different ones are drawn by weight, the first one wins a tie,
 * and where one of the two may not be chosen both are drawn again; after so many draws, among those that may be.
 */
export function chancesOfPairs(all: readonly Contender[], draws: number): number[] {
  const fit = all.filter(({ fits }) => fits)
  const [only] = fit
  if (fit.length <= 1) return all.map((one) => (one === only ? 1 : 0))
  const total = sum(all)
  const among = fit.map((one) => ({ ...one, first: 1 / (total - one.weight) }))
  const alone = sum(fit)
  const drawn = wins(among, total)
  const missed = 1 - drawn.reduce((chance, one) => chance + one, 0)
  const last = wins(
    fit.map((one) => ({ ...one, first: 1 / (alone - one.weight) })),
    alone,
  )
  let tries = 0
  for (let i = 0; i < draws; i++) tries += missed ** i
  const chances = fit.map((_, i) => (drawn[i] as number) * tries + (last[i] as number) * missed ** draws)
  let next = 0
  return all.map(({ fits }) => (fits ? (chances[next++] as number) : 0))
}

interface Drawn extends Contender {
  /** What its weight is multiplied by, drawn first, for the chance of the other one to be drawn second. */
  first: number
}

/** The probability that two of them are drawn, of so much weight in all, and that this one is the better. */
function wins(drawn: readonly Drawn[], total: number): number[] {
  const byLoad = new Beaten(drawn, ({ load }) => load)
  const idle = drawn.filter((one) => one.idle)
  const idleByLoad = new Beaten(idle, ({ load }) => load)
  // Who is owed more is better.
  const idleByOwed = new Beaten(idle, ({ owed }) => -owed)
  return drawn.map((one) => {
    const chance = byLoad.by(one)
    if (!one.idle) return chance / total
    return (chance - idleByLoad.by(one) + idleByOwed.by(one)) / total
  })
}

/** Those whom others beat, in order, so that what is beaten by one can be summed up at once. */
class Beaten {
  readonly #key: (one: Drawn) => number
  readonly #keys: Float64Array
  /** Of those from an index on: weights, and weights times `first`. */
  readonly #weights: Float64Array
  readonly #firsts: Float64Array

  constructor(drawn: readonly Drawn[], key: (one: Drawn) => number) {
    const sorted = drawn.toSorted((a, b) => key(a) - key(b))
    this.#key = key
    this.#keys = Float64Array.from(sorted, key)
    this.#weights = new Float64Array(sorted.length + 1)
    this.#firsts = new Float64Array(sorted.length + 1)
    for (let i = sorted.length - 1; i >= 0; i--) {
      const { weight, first } = sorted[i] as Drawn
      this.#weights[i] = (this.#weights[i + 1] as number) + weight
      this.#firsts[i] = (this.#firsts[i + 1] as number) + weight * first
    }
  }

  /** The chance of a pair with one that it beats, times the total weight. */
  by(one: Drawn): number {
    const key = this.#key(one)
    const [same, worse] = [this.#from(key, false), this.#from(key, true)]
    const tied = (this.#weights[same] as number) - (this.#weights[worse] as number) - one.weight
    const beaten = this.#weights[worse] as number
    // Drawn first it beats its equals as well.
    return one.weight * ((beaten + tied) * one.first + (this.#firsts[worse] as number))
  }

  /** The index of the first key that is not below, or that is above, a key. */
  #from(key: number, above: boolean): number {
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

function sum(contenders: readonly { weight: number }[]): number {
  return contenders.reduce((total, { weight }) => total + weight, 0)
}
