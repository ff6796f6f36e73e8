import { type Clock, systemClock } from '../balancer/time/clock.js'
import type { RateCount, RateLimitCounter } from './rate-limit-counter.js'

export interface MemoryCounterOptions {
  clock?: Pick<Clock, 'now'>
  /** Largest number of keys. */
  maxKeys?: number
}

interface Entry {
  readonly key: string
  current: number
  endsAt: number
}

/** About 20 MB. */
const MAX_KEYS = 100_000
/** How many entries are looked at with each request, so that those whose window is over go. */
const SWEPT_EACH_TIME = 2
/** Of so many entries the one with the fewest requests makes room for a new key. */
const CANDIDATES = 16

/**
 * Counts in the memory of one thread. Where there are too many keys, those with few requests are forgotten first: who
 * sends one request from each of many addresses drives out others that have sent as few, and not the counts of those
 * who are near their limit.
 */
export class MemoryCounter implements RateLimitCounter {
  readonly #clock: Pick<Clock, 'now'>
  readonly #maxKeys: number
  readonly #byKey = new Map<string, Entry>()
  /** The same entries, in no order. */
  readonly #entries: Entry[] = []
  /** Where among the entries the next look begins. */
  #hand = 0

  constructor({ clock = systemClock, maxKeys = MAX_KEYS }: MemoryCounterOptions = {}) {
    this.#clock = clock
    this.#maxKeys = maxKeys
  }

  /** The number of keys. */
  get size(): number {
    return this.#entries.length
  }

  increment(key: string, window: number): RateCount {
    const now = this.#clock.now()
    this.#sweep(now)
    let entry = this.#byKey.get(key)
    if (!entry) {
      entry = { key, current: 0, endsAt: now + window }
      this.#add(entry)
    } else if (entry.endsAt <= now) {
      entry.current = 0
      entry.endsAt = now + window
    }
    entry.current++
    return { current: entry.current, ttl: entry.endsAt - now }
  }

  /** Returns the count of a key without counting; undefined where its window is over or has not begun. */
  peek(key: string): RateCount | undefined {
    const entry = this.#byKey.get(key)
    const ttl = entry ? entry.endsAt - this.#clock.now() : 0
    return entry && ttl > 0 ? { current: entry.current, ttl } : undefined
  }

  #add(entry: Entry): void {
    this.#byKey.set(entry.key, entry)
    if (this.#entries.length < this.#maxKeys) this.#entries.push(entry)
    else this.#replaceOne(entry)
  }

  /** Removes entries whose window is over. */
  #sweep(now: number): void {
    for (let looked = 0; looked < SWEPT_EACH_TIME && this.#entries.length > 0; looked++) {
      if (this.#hand >= this.#entries.length) this.#hand = 0
      const entry = this.#entries[this.#hand] as Entry
      if (entry.endsAt > now) {
        this.#hand++
        continue
      }
      this.#byKey.delete(entry.key)
      const last = this.#entries.pop() as Entry
      if (last !== entry) this.#entries[this.#hand] = last
    }
  }

  /** Forgets the one with the fewest requests of the entries after the hand, and puts another in its place. */
  #replaceOne(entry: Entry): void {
    const { length } = this.#entries
    let place = this.#hand % length
    for (let i = 1; i < Math.min(CANDIDATES, length); i++) {
      const other = (this.#hand + i) % length
      if (isLess(this.#entries[other] as Entry, this.#entries[place] as Entry)) place = other
    }
    this.#byKey.delete((this.#entries[place] as Entry).key)
    this.#entries[place] = entry
    this.#hand = (this.#hand + CANDIDATES) % length
  }
}

/** Whether less is lost with one entry than with another. */
function isLess(one: Entry, other: Entry): boolean {
  return one.current === other.current ? one.endsAt < other.endsAt : one.current < other.current
}
