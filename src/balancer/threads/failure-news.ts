import { NEWS_KEPT, type PoolTable, poolWord, ROW_COUNT } from './table.js'

/** Bits of a change's number that are kept with the row. */
const NUMBER_MASK = 0xfffff

/**
 * Tells all threads of a pool which backends failed, so that each brings its limits up to date before its next choice.
 * A thread without news reads one number to know it. The latest changes are in a ring: each has the row of the backend
 * and the number of the change, by which a reader knows whether it was overwritten.
 */
export class FailureNews {
  readonly #table: PoolTable
  /** Number of the latest change that this thread has heard of. */
  #heard: number

  constructor(table: PoolTable) {
    this.#table = table
    this.#heard = Atomics.load(table.words, poolWord.failures)
  }

  /** True if a backend failed since this thread has last heard of failures. */
  get isNew(): boolean {
    return this.#table.words[poolWord.failures] !== this.#heard
  }

  /** Tells that a failure rate is higher now. */
  tell(row: number): void {
    const { words, news } = this.#table
    const number = (Atomics.add(words, poolWord.failures, 1) + 1) | 0
    Atomics.store(news, number & (NEWS_KEPT - 1), entryOf(number, row))
    // What this thread tells is no news to it.
    if (this.#heard === ((number - 1) | 0)) this.#heard = number
  }

  /**
   * Returns the rows of the backends that failed since the last call; undefined where they are not known one by one,
   * because a change was overwritten, or is just being written.
   */
  hear(): number[] | undefined {
    const { words, news } = this.#table
    const latest = Atomics.load(words, poolWord.failures)
    const first = (this.#heard + 1) | 0
    const count = (latest - this.#heard) | 0
    this.#heard = latest
    if (count < 0 || count > NEWS_KEPT) return undefined
    const rows: number[] = []
    for (let i = 0; i < count; i++) {
      const number = (first + i) | 0
      const entry = Atomics.load(news, number & (NEWS_KEPT - 1))
      const row = entry & (ROW_COUNT - 1)
      if (entry !== entryOf(number, row)) return undefined
      rows.push(row)
    }
    return rows
  }
}

function entryOf(number: number, row: number): number {
  return ((number & NUMBER_MASK) * ROW_COUNT) | row
}
