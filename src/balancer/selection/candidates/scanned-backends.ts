import type { Backend } from '../../backends/backend.js'
import { type PoolTable, word } from '../../threads/table.js'

/** The largest age of a stamp, in stamps, that a backend begins with. Half of all numbers stay for it to grow older. */
const MAX_INITIAL_AGE = 2 ** 30

/** Backends of one weight. They stand side by side in {@link ScannedBackends}. */
export interface ScannedGroup {
  readonly weight: number
  /** The index of the first backend, and the one after the last. */
  readonly begin: number
  readonly end: number
}

/**
 * The backends of a pool that threads share, for a policy that looks at all of them at each choice: other threads
 * change the counts at any time, so that no order by them can be kept. The counts are read where they are, in the rows
 * of the table, because reading them by way of objects would take several times as long.
 */
export abstract class ScannedBackends {
  /** The backends, those of one weight side by side. */
  list: Backend[] = []
  groups: ScannedGroup[] = []
  protected readonly table: PoolTable
  protected readonly words: Int32Array
  /** Of the backend at each index: the index of its row in the table, and its tier. */
  protected rows = new Int32Array(0)
  protected tiers = new Uint8Array(0)
  readonly #stamp: number
  readonly #indexes = new Map<Backend, number>()
  /** A number for each backend, by which those of equal stamps are ordered. */
  readonly #order = new Map<Backend, number>()

  /** @param stamp the word of the stamp by which equal backends take turns */
  constructor(table: PoolTable, stamp: typeof word.changed | typeof word.chosen) {
    this.table = table
    this.words = table.words
    this.#stamp = stamp
  }

  /** Takes over a new set of eligible backends, or a changed weight in it. */
  update(eligible: readonly Backend[], random: () => number): void {
    const remaining = new Set(eligible)
    for (const backend of this.#order.keys()) if (!remaining.has(backend)) this.#order.delete(backend)
    for (const backend of eligible) {
      if (this.#order.has(backend)) continue
      // Gateways that start together should not all begin with the same backend.
      this.#order.set(backend, random())
      this.#limitAge(backend)
    }
    const orderOf = (backend: Backend) => this.#order.get(backend) as number
    const list = [...eligible]
    list.sort((a, b) => this.weightOf(a) - this.weightOf(b) || orderOf(a) - orderOf(b))
    this.list = list
    this.rows = Int32Array.from(list, ({ row }) => this.table.wordAt(row, word.inFlight))
    this.tiers = Uint8Array.from(list, ({ tier }) => tier)
    this.#indexes.clear()
    for (const [i, backend] of list.entries()) this.#indexes.set(backend, i)
    this.#group()
  }

  /** Updates a backend whose tier changed. */
  retiered(backend: Backend): void {
    const i = this.#indexes.get(backend)
    if (i !== undefined) this.tiers[i] = backend.tier
  }

  /** Compares the stamps of two backends: negative where the first one has the older one. */
  compareStamps(i: number, other: number): number {
    return (this.#stampAt(i) - this.#stampAt(other)) | 0
  }

  /** The weight by which backends are grouped. */
  protected weightOf({ weight }: Backend): number {
    return weight
  }

  #stampAt(i: number): number {
    return this.words[(this.rows[i] as number) + this.#stamp] as number
  }

  #group(): void {
    const { length } = this.list
    this.groups = []
    for (let begin = 0; begin < length; ) {
      const weight = this.weightOf(this.list[begin] as Backend)
      let end = begin + 1
      while (end < length && this.weightOf(this.list[end] as Backend) === weight) end++
      this.groups.push({ weight, begin, end })
      begin = end
    }
  }

  /**
   * Makes a stamp of a backend younger that is so old that it would soon be taken for a new one, because stamps wrap
   * around. The backend is still the first one among its equals.
   */
  #limitAge({ row }: Backend): void {
    const at = this.table.wordAt(row, this.#stamp)
    const before = Atomics.load(this.words, at)
    const now = this.table.nextStamp()
    const age = (now - before) | 0
    if (age >= 0 && age <= MAX_INITIAL_AGE) return
    Atomics.compareExchange(this.words, at, before, (now - MAX_INITIAL_AGE) | 0)
  }
}
