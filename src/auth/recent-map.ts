/**
 * A map with a limit of entries that end by time. It keeps those that were used last: entries are in two maps, and once
 * the newer one is full, it takes the place of the older one. A look-up costs no more than that of a Map.
 */
export class RecentMap<V> {
  readonly #half: number
  #newer = new Map<string, Entry<V>>()
  #older = new Map<string, Entry<V>>()

  /** @param limit the most entries, an even number */
  constructor(limit: number) {
    this.#half = limit / 2
  }

  get size(): number {
    return this.#newer.size + this.#older.size
  }

  /** The value that is in force at `now`; undefined where there is none. */
  get(key: string, now: number): V | undefined {
    let entry = this.#newer.get(key)
    if (!entry) {
      entry = this.#older.get(key)
      if (!entry) return undefined
      this.#older.delete(key)
      this.#add(key, entry)
    }
    if (now < entry.until) return entry.value
    this.#newer.delete(key)
    return undefined
  }

  /** Sets the value of a key. It ends at `until`, of the same clock as `now`. */
  set(key: string, value: V, until: number): void {
    this.#older.delete(key)
    this.#add(key, { value, until })
  }

  clear(): void {
    this.#newer.clear()
    this.#older.clear()
  }

  #add(key: string, entry: Entry<V>): void {
    if (this.#newer.size >= this.#half && !this.#newer.has(key)) {
      this.#older = this.#newer
      this.#newer = new Map()
    }
    this.#newer.set(key, entry)
  }
}

interface Entry<V> {
  value: V
  until: number
}
