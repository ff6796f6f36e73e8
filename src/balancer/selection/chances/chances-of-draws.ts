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

/** So often a backend is looked at, at most: nobody should have to wait for an explanation of a huge pool. */
const LOOKS = 200_000
/** A chance that is too small to matter. */
const NOTHING = 1e-13

/**
 * The probability with which each is chosen by `LeastResponseTime` in a large pool: so many are drawn by weight, the
 * same one more than once perhaps, and the cheapest of them is chosen, where the costs depend on the fastest that was
 * drawn. Exact in pools of up to 440; in larger ones estimates that are next to each other may count as one.
 * Where none of those that were drawn may be chosen, as many are drawn of those that may.
 * @param near how many times as long as the fastest one may take who is about as fast
 */
export function chancesOfDraws(all: readonly Contestant[], draws: number, near: number): readonly number[] {
  const at = (i: number) => all[i] as Contestant
  const fit = [...all.keys()].filter((i) => at(i).fits)
  const total = all.reduce((sum, { weight }) => sum + weight, 0)
  const unfit = total - fit.reduce((sum, i) => sum + at(i).weight, 0)
  /** That whoever is drawn is of those that have so much weight. */
  const within = (weight: number) => power(weight / total, draws)
  const byNear = fit.toSorted((a, b) => at(a).near - at(b).near)
  const byEven = fit.toSorted((a, b) => at(a).even - at(b).even)
  const estimates = [...new Set(fit.map((i) => at(i).estimate))].sort((a, b) => a - b)
  const step = Math.ceil((estimates.length * fit.length) / LOOKS)
  const chances = all.map(() => 0)
  const equals: number[] = []

  for (let e = 0; e < estimates.length; e += step) {
    // That this is the fastest one drawn: nobody faster is, less that only slower ones are.
    const fastest = estimates[e] as number
    const next = estimates[e + step] ?? Number.POSITIVE_INFINITY
    let left = unfit
    let leftSlower = unfit
    for (const i of fit) {
      const { estimate, weight } = at(i)
      if (estimate >= fastest) left += weight
      if (estimate >= next) leftSlower += weight
    }
    if (within(left) - within(unfit) < NOTHING) break
    // From the cheapest on, who wins if nobody cheaper is drawn.
    let n = 0
    let o = 0
    while (within(left) >= NOTHING) {
      let cost = Number.POSITIVE_INFINITY
      let weight = 0
      let slower = 0
      equals.length = 0
      for (;;) {
        while (n < byNear.length && !isNear(at(byNear[n] as number).estimate, fastest)) n++
        while (o < byEven.length && at(byEven[o] as number).estimate <= near * fastest) o++
        const costNear = n < byNear.length ? at(byNear[n] as number).near : Number.POSITIVE_INFINITY
        const costEven = o < byEven.length ? at(byEven[o] as number).even : Number.POSITIVE_INFINITY
        const least = Math.min(costNear, costEven)
        if (least === Number.POSITIVE_INFINITY || (equals.length > 0 && least !== cost)) break
        cost = least
        const i = (costNear <= costEven ? byNear[n++] : byEven[o++]) as number
        equals.push(i)
        weight += at(i).weight
        if (at(i).estimate >= next) slower += at(i).weight
      }
      if (equals.length === 0) break
      // Of equals the first that was drawn is chosen, which is anyone by weight.
      const chance = (within(left) - within(left - weight)) / weight
      const less = slower > 0 ? (within(leftSlower) - within(leftSlower - slower)) / slower : 0
      for (const i of equals) {
        const own = at(i).estimate >= next ? chance - less : chance
        chances[i] = (chances[i] as number) + own * at(i).weight
      }
      left -= weight
      leftSlower -= slower
    }
  }
  const missed = fit.length === 0 ? 0 : within(unfit)
  if (missed < NOTHING) return chances
  const again = chancesOfDraws(fit.map(at), draws, near)
  for (const [n, i] of fit.entries()) chances[i] = (chances[i] as number) + missed * (again[n] as number)
  return chances

  function isNear(estimate: number, fastest: number): boolean {
    return estimate >= fastest && estimate <= near * fastest
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
