/** A request that is due. */
export interface Arrival {
  /** Milliseconds from the start of the load. */
  at: number
  path: string
}

/**
 * Requests that arrive at random, independent of each other (a Poisson process).
 * @param rate requests a second, on average
 * @param duration milliseconds
 */
export function* poisson(
  rate: number,
  duration: number,
  random: () => number,
  pathOf: () => string = () => '/',
): Generator<Arrival> {
  for (let at = 0; at < duration; at += (-Math.log(1 - random()) / rate) * 1000) yield { at, path: pathOf() }
}
