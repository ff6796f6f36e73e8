/** Numbers that only grow. */
export type Counters<K extends string> = Record<K, number>

interface Sample<K extends string> {
  /** Milliseconds by a monotonic clock. */
  at: number
  counts: Counters<K>
}

/** Milliseconds over which rates are averaged. */
const WINDOW_MS = 5000

/** Computes rates per second from the counters of things that have names, averaged over the last five seconds. */
export class CounterRates<K extends string> {
  readonly #series = new Map<string, Sample<K>[]>()

  /** Adds the counters of all things that are there; others are forgotten. */
  add(at: number, all: Iterable<readonly [name: string, counts: Counters<K>]>): void {
    const names = new Set<string>()
    for (const [name, counts] of all) {
      names.add(name)
      this.#series.set(name, append(this.#series.get(name) ?? [], { at, counts }))
    }
    for (const name of this.#series.keys()) if (!names.has(name)) this.#series.delete(name)
  }

  /** Forgets all counters, for example after a gap. */
  clear(): void {
    this.#series.clear()
  }

  /** The rate of one of a thing's counters; 0 where it is not known yet. */
  of(name: string, counter: K): number {
    const series = this.#series.get(name) ?? []
    const [first, last] = [series[0], series.at(-1)]
    if (!first || !last || first === last) return 0
    return (1000 * (last.counts[counter] - first.counts[counter])) / (last.at - first.at)
  }
}

function append<K extends string>(series: Sample<K>[], next: Sample<K>): Sample<K>[] {
  const last = series.at(-1)
  // Counters that are lower than before began again at 0, so older ones do not apply any more.
  const names = Object.keys(next.counts) as K[]
  if (last && names.some((name) => next.counts[name] < last.counts[name])) return [next]
  while (series.length > 2 && (series[1] as Sample<K>).at <= next.at - WINDOW_MS) series.shift()
  if (last?.at !== next.at) series.push(next)
  return series
}
