import type { PoolCounts } from '../../balancer/fleet/counts-exchange.js'
import { MAX_BACKENDS, type PoolEntry } from './counts-message.js'

const nothing: readonly never[] = []
const idle: PoolCounts = { inFlight: new Map(), quiet: new Map() }

/** What was told to other gateways of one pool. */
export class ToldCounts {
  readonly #pool: string
  readonly #nextTable: () => number
  #table: number
  /** Places of URLs in the table. */
  #places = new Map<string, number>()
  /** How many URLs of the table were sent. */
  #sent = 0
  #counts: readonly number[] = nothing
  #quiet: PoolEntry['quiet'] = nothing

  /** @param nextTable returns a number that no table of this gateway had */
  constructor(pool: string, nextTable: () => number) {
    this.#pool = pool
    this.#nextTable = nextTable
    this.#table = nextTable()
  }

  /**
   * Returns what is to be told. Of a pool with requests on more backends than a message may have nothing is in flight:
   * if it told some of them, others would take the rest for idle.
   * @param all `counts` for the counts even if they have not changed, `tables` for the URLs as well
   * @returns undefined where nothing has changed
   */
  entry(present: PoolCounts, all: 'counts' | 'tables' | undefined): PoolEntry | undefined {
    const { inFlight, quiet } = present.inFlight.size > MAX_BACKENDS ? idle : present
    if (all === 'tables') this.#sent = 0
    const counts = this.#inOrder(inFlight)
    const pairs: [number, number][] = []
    for (const [url, count] of quiet) {
      const place = this.#places.get(url)
      if (place !== undefined) pairs.push([place, count])
    }
    if (!all && isSame(counts, this.#counts) && isSame(pairs.flat(), this.#quiet.flat())) return undefined
    this.#counts = counts
    this.#quiet = pairs
    const from = this.#sent
    this.#sent = this.#places.size
    const urls = from < this.#sent ? [...this.#places.keys()].slice(from) : nothing
    return { pool: this.#pool, table: this.#table, counts, quiet: pairs, from, urls }
  }

  /** Returns what is told of a pool that is not here any more. */
  ended(): PoolEntry {
    return { pool: this.#pool, table: this.#table, counts: nothing, quiet: nothing, from: 0, urls: nothing }
  }

  /** Returns the counts in the order of the table, which gets the URLs that it lacks. */
  #inOrder(inFlight: ReadonlyMap<string, number>): number[] {
    const urls = [...inFlight.keys()]
    const missing = urls.filter((url) => !this.#places.has(url))
    if (this.#places.size + missing.length > MAX_BACKENDS) {
      // The table is full of backends that are idle now, or were removed.
      this.#table = this.#nextTable()
      this.#places = new Map(urls.map((url, place) => [url, place]))
      this.#sent = 0
    } else {
      for (const url of missing) this.#places.set(url, this.#places.size)
    }
    const counts: number[] = []
    for (const [url, count] of inFlight) {
      const place = this.#places.get(url) as number
      while (counts.length < place) counts.push(0)
      counts[place] = count
    }
    return counts
  }
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i])
}
