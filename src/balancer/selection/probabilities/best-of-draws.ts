/** A backend that may be one of several that are drawn. */
export interface Contender {
  weight: number
  canBeChosen: boolean
  /** Milliseconds that the backend's response is expected to take. */
  estimate: number
  /**
   * The cost that is compared; `costIfSimilar` applies where the backend's estimate is similar to that of the fastest
   * backend drawn, and `cost` otherwise.
   */
  cost: number
  costIfSimilar: number
}

/** Largest number of comparisons, so that an explanation of a huge pool does not block the process. */
const MAX_COMPARISONS = 200_000
/** A probability below this is too small to matter. */
const NEGLIGIBLE = 1e-13

/**
 * Computes the probability with which `LeastResponseTime` chooses each backend of a large pool. The policy draws a
 * fixed number of backends by weight, perhaps the same one more than once, and chooses the one with the least cost;
 * costs depend on the fastest backend that was drawn. If no drawn backend can be chosen, it draws as many from those
 * that can be. The result is exact in pools of up to 440 backends; in larger ones, estimates next to each other may be
 * taken for one.
 * @param draws the number of backends that are drawn
 * @param similarRatio an estimate of up to this many times the fastest one is similar to it
 */
export function bestOfDrawsProbabilities(
  all: readonly Contender[],
  draws: number,
  similarRatio: number,
): readonly number[] {
  const at = (i: number) => all[i] as Contender
  const choosable = [...all.keys()].filter((i) => at(i).canBeChosen)
  const totalWeight = all.reduce((sum, { weight }) => sum + weight, 0)
  const otherWeight = totalWeight - choosable.reduce((sum, i) => sum + at(i).weight, 0)
  /** Returns the probability that all draws find backends out of a set of this weight. */
  const allWithin = (weight: number) => power(weight / totalWeight, draws)
  const byCostIfSimilar = choosable.toSorted((a, b) => at(a).costIfSimilar - at(b).costIfSimilar)
  const byCost = choosable.toSorted((a, b) => at(a).cost - at(b).cost)
  const estimates = [...new Set(choosable.map((i) => at(i).estimate))].sort((a, b) => a - b)
  const step = Math.ceil((estimates.length * choosable.length) / MAX_COMPARISONS)
  const probabilities = all.map(() => 0)
  const tied: number[] = []

  for (let e = 0; e < estimates.length; e += step) {
    // Each pass assumes that `fastest` is the least estimate drawn: no faster backend is drawn, and not only slower
    // ones.
    const fastest = estimates[e] as number
    const nextFastest = estimates[e + step] ?? Number.POSITIVE_INFINITY
    let left = otherWeight
    let leftSlower = otherWeight
    for (const i of choosable) {
      const { estimate, weight } = at(i)
      if (estimate >= fastest) left += weight
      if (estimate >= nextFastest) leftSlower += weight
    }
    if (allWithin(left) - allWithin(otherWeight) < NEGLIGIBLE) break
    // In the order of cost, each backend wins if none with less cost is drawn.
    let s = 0
    let o = 0
    while (allWithin(left) >= NEGLIGIBLE) {
      let cost = Number.POSITIVE_INFINITY
      let weight = 0
      let slowerWeight = 0
      tied.length = 0
      for (;;) {
        while (s < byCostIfSimilar.length && !isSimilar(at(byCostIfSimilar[s] as number).estimate, fastest))
          s++
        while (o < byCost.length && at(byCost[o] as number).estimate <= similarRatio * fastest) o++
        const similarCost =
          s < byCostIfSimilar.length
            ? at(byCostIfSimilar[s] as number).costIfSimilar
            : Number.POSITIVE_INFINITY
        const otherCost = o < byCost.length ? at(byCost[o] as number).cost : Number.POSITIVE_INFINITY
        const least = Math.min(similarCost, otherCost)
        if (least === Number.POSITIVE_INFINITY || (tied.length > 0 && least !== cost)) break
        cost = least
        const i = (similarCost <= otherCost ? byCostIfSimilar[s++] : byCost[o++]) as number
        tied.push(i)
        weight += at(i).weight
        if (at(i).estimate >= nextFastest) slowerWeight += at(i).weight
      }
      if (tied.length === 0) break
      // Among equal costs the first one drawn wins, which may be any of them, with probabilities by weight.
      const each = (allWithin(left) - allWithin(left - weight)) / weight
      const eachIfSlower =
        slowerWeight > 0 ? (allWithin(leftSlower) - allWithin(leftSlower - slowerWeight)) / slowerWeight : 0
      for (const i of tied) {
        const own = at(i).estimate >= nextFastest ? each - eachIfSlower : each
        probabilities[i] = (probabilities[i] as number) + own * at(i).weight
      }
      left -= weight
      leftSlower -= slowerWeight
    }
  }
  const missed = choosable.length === 0 ? 0 : allWithin(otherWeight)
  if (missed < NEGLIGIBLE) return probabilities
  const drawnAgain = bestOfDrawsProbabilities(choosable.map(at), draws, similarRatio)
  for (const [n, i] of choosable.entries())
    probabilities[i] = (probabilities[i] as number) + missed * (drawnAgain[n] as number)
  return probabilities

  function isSimilar(estimate: number, fastest: number): boolean {
    return estimate >= fastest && estimate <= similarRatio * fastest
  }
}

/** Raises a number to a power; faster than `**` for small whole exponents. */
function power(base: number, exponent: number): number {
  let result = 1
  let square = Math.max(0, base)
  for (let left = exponent; left > 0; left >>= 1) {
    if (left & 1) result *= square
    square *= square
  }
  return result
}
