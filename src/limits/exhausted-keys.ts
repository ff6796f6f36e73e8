import type { RateCount } from './rate-limit-counter.js'

/** Largest number of keys; about 3 MB. */
const MAX_KEYS = 10_000

/**
 * The keys that have had all requests of their window. Further ones are refused without asking the counter, which
 * may be in another thread or behind a network, so that a client that sends too much costs little.
 */
export class ExhaustedKeys {
  /** When the windows end, in the order in which the keys were exhausted. */
  readonly #ends = new Map<string, number>()

  /** @param now the time in milliseconds, by the clock that `of` is given, too */
  add(key: string, { ttl }: RateCount, now: number): void {
    this.#ends.set(key, now + ttl)
    if (this.#ends.size <= MAX_KEYS) return
    for (const oldest of this.#ends.keys()) {
      this.#ends.delete(oldest)
      return
    }
  }

  /** Returns the count of a request that is over the limit; undefined where the key is not known to be exhausted. */
  of(key: string, max: number, now: number): RateCount | undefined {
    const end = this.#ends.get(key)
    if (end === undefined) return undefined
    if (end > now) return { current: max + 1, ttl: end - now }
    this.#ends.delete(key)
    return undefined
  }

  get size(): number {
    return this.#ends.size
  }
}
