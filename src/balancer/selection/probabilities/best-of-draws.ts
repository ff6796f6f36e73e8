/** A backend as one of several that are drawn. */
export interface Contender {
  weight: number
  canBeChosen: boolean
  /** Milliseconds that its response is expected to take. */
  estimate: number
  /** What it costs to choose it; and what, where its estimate is similar to that of the fastest one drawn. */
  cost: number
  costIfSimilar: number
}

/** Costs that are compared, at most, so that an explanation of a huge pool does not block the process. */
const MAX_COMPARISONS = 200_000
/** A probability that is too small to matter. */
const NEGLIGIBLE = 1e-13

/**
 * The probability with which `LeastResponseTime` chooses each backend of a large pool: so many are drawn by weight, the
 * same one more than once perhaps, and the one with the least cost is chosen, where costs depend on the fastest that was
 * drawn. Where none that was drawn can be chosen, as many are drawn of those that can. Exact in pools of up to 440; in
 * larger ones estimates that are next to each other may count as one.
 * @param similarRatio an estimate of up to this many times the fastest one's is similar
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
  /** The probability that all draws find backends out of a set of this weight. */
  const allWithin = (weight: number) => power(weight / totalWeight, draws)
  const byCostIfSimilar = choosable.toSorted((a, b) => at(a).costIfSimilar - at(b).costIfSimilar)
  const byCost = choosable.toSorted((a, b) => at(a).cost - at(b).cost)
  const estimates = [...new Set(choosable.map((i) => at(i).estimate))].sort((a, b) => a - b)
  const step = Math.ceil((estimates.length * choosable.length) / MAX_COMPARISONS)
  const probabilities = all.map(() => 0)
  const tied: number[] = []

  for (let e = 0; e < estimates.length; e += step) {
    // For each estimate that may be the fastest one drawn: no backend is drawn that is faster, and not only slower ones.
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
    // From the least cost on: who wins if none with less is drawn.
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
      // Of those with the same cost the first that was drawn wins, which is any of them, by weight.
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

/** Faster than `**` for small whole exponents. */
function power(base: number, exponent: number): number {
  let result = 1
  let square = Math.max(0, base)
  for (let left = exponent; left > 0; left >>= 1) {
    if (left & 1) result *= square
    square *= square
  }
  return result
}
