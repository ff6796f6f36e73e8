import type { HeardCounts } from '../../balancer/fleet/counts-exchange.js'
import type { PoolEntry } from './counts-message.js'

/** What one other gateway has said: its tables of URLs, by pool. */
export class HeardGateway {
  readonly #instance: string
  readonly #tables = new Map<string, { number: number; urls: string[] }>()
  /** Number of the last message. */
  #number = -1

  constructor(instance: string) {
    this.#instance = instance
  }

  /** Returns true if a message with this number is later than all before it. */
  isLater(number: number): boolean {
    if (number <= this.#number) return false
    this.#number = number
    return true
  }

  /**
   * Returns what an entry says.
   * @returns undefined where it has places that the table, as far as it was heard, does not have
   */
  counts({ pool, table, counts, quiet, from, urls }: PoolEntry): HeardCounts | undefined {
    const known = this.#table(pool, table)
    if (urls.length > 0 && from <= known.length) known.splice(from, known.length, ...urls)
    if (counts.length > known.length) return undefined
    const believed = quiet.filter(([place, count]) => count <= (counts[place] ?? 0))
    return { gateway: this.#instance, urls: known, inFlight: counts, quiet: believed }
  }

  /** Returns the URLs of a table as far as they were heard; a pool has one table at a time. */
  #table(pool: string, number: number): string[] {
    const known = this.#tables.get(pool)
    if (known?.number === number) return known.urls
    const urls: string[] = []
    this.#tables.set(pool, { number, urls })
    return urls
  }
}
