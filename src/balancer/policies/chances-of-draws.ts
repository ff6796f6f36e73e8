/** A backend as {@link chancesOfDraws} sees it. */
export interface Contestant {
  weight: number
  /** Whether it may be chosen. */
  fits: boolean
  /** Milliseconds that its answer is going to take. */
  estimate: number
  /** What it costs where it is about as fast as the fastest of those that are compared, and where it is not. */
  near: number
  even: number
}

/** Of so many different estimates, or fewer, each is looked at as the least one that is drawn. */
const EXACT = 500

/**
 * The probability with which each is chosen by `LeastResponseTime` in a large pool: so many are drawn by weight, the
 * same one more than once perhaps, and the cheapest of them is chosen, where the costs depend on the fastest that was
 * drawn. Exact up to {@link EXACT} different estimates; with more, those next to each other count as one.
 * @param near how many times as long as the fastest one may take who is about as fast
 * @param fallback the index of whom is chosen where none of those that were drawn may be
 */
export function chancesOfDraws(
  all: readonly Contestant[],
  draws: number,
  near: number,
  fallback: number,
): number[] {
  const total = all.reduce((sum, { weight }) => sum + weight, 0)
  const fit = [...all.keys()].filter((i) => all[i]?.fits)
  const unfit = total - fit.reduce((sum, i) => sum + (all[i] as Contestant).weight, 0)
  const at = (i: number) => all[i] as Contestant
  const byNear = fit.toSorted((a, b) => at(a).near - at(b).near)
  const byEven = fit.toSorted((a, b) => at(a).even - at(b).even)
  const chances = all.map(() => 0)
  const estimates = [...new Set(fit.map((i) => at(i).estimate))].sort((a, b) => a - b)
  const step = Math.ceil(estimates.length / EXACT)

  for (let e = 0; e < estimates.length; e += step) {
    const fastest = estimates[e] as number
    const next = estimates[e + step] ?? Number.POSITIVE_INFINITY
    const isNear = (i: number) => at(i).estimate <= near * fastest
    // By cost, where the fastest that is drawn is this one.
    const order = merge(
      byNear.filter((i) => at(i).estimate >= fastest && isNear(i)),
      byEven.filter((i) => !isNear(i)),
      (i) => at(i).near,
      (i) => at(i).even,
    )
    // That it is: only slower ones are drawn, less that only those slower than it are.
    share(order, 1)
    share(
      order.filter(({ i }) => at(i).estimate >= next),
      -1,
    )
  }
  chances[fallback] = (chances[fallback] as number) + (unfit / total) ** draws
  return chances

  /** Adds the chance that nobody else is drawn, besides who may not be chosen, and that each is the cheapest. */
  function share(order: readonly Priced[], sign: number): void {
    let left = order.reduce((sum, { i }) => sum + at(i).weight, unfit)
    for (let from = 0; from < order.length; ) {
      const { cost } = order[from] as Priced
      let to = from
      let weight = 0
      for (; order[to]?.cost === cost; to++) weight += at((order[to] as Priced).i).weight
      const chance = (left / total) ** draws - (Math.max(0, left - weight) / total) ** draws
      // Of equals the first that was drawn is chosen, which is anyone by weight.
      for (; from < to; from++) {
        const { i } = order[from] as Priced
        chances[i] = (chances[i] as number) + (sign * chance * at(i).weight) / weight
      }
      left -= weight
    }
  }
}

interface Priced {
  i: number
  cost: number
}

/** Two lists that are in order, as one. */
function merge(
  some: readonly number[],
  others: readonly number[],
  costOfSome: (i: number) => number,
  costOfOthers: (i: number) => number,
): Priced[] {
  const merged: Priced[] = []
  let s = 0
  let o = 0
  while (s < some.length || o < others.length) {
    const one = s < some.length ? costOfSome(some[s] as number) : Number.POSITIVE_INFINITY
    const other = o < others.length ? costOfOthers(others[o] as number) : Number.POSITIVE_INFINITY
    if (o >= others.length || one <= other) merged.push({ i: some[s++] as number, cost: one })
    else merged.push({ i: others[o++] as number, cost: other })
  }
  return merged
}
