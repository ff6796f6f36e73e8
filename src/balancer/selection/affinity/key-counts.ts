import type { Lease } from '../../leases/lease.js'
import { hashText, OTHER_SEED } from './key-hash.js'

/** Number of counts; a power of 2. Keys that share one count together, which is rare among those that have requests. */
export const KEY_SLOTS = 4096

/** Number of requests in flight of each key, in all threads that share the pool. A key has one of {@link KEY_SLOTS} counts. */
export class KeyCounts {
  readonly #columns: readonly Int32Array[]
  readonly #own: Int32Array

  /**
   * @param columns the counts of each thread
   * @param own the counts of this thread
   */
  constructor(columns: readonly Int32Array[], own: Int32Array) {
    this.#columns = columns
    this.#own = own
  }

  /** Makes the counts of a pool with one thread. */
  static local(): KeyCounts {
    const own = new Int32Array(KEY_SLOTS)
    return new KeyCounts([own], own)
  }

  /** Counts a request that begins. */
  begin(lease: Lease, key: string): void {
    const slot = slotOf(key)
    lease.keySlot = slot
    this.#own[slot] = (this.#own[slot] as number) + 1
  }

  /** Counts the end of a request that {@link begin} has counted; other requests make no difference. */
  end(lease: Lease): void {
    const { keySlot } = lease
    if (keySlot !== -1) this.#own[keySlot] = (this.#own[keySlot] as number) - 1
  }

  /** Returns the number of requests in flight of a key. */
  of(key: string): number {
    const slot = slotOf(key)
    let sum = 0
    for (const column of this.#columns) sum += column[slot] as number
    return sum
  }
}

function slotOf(key: string): number {
  return hashText(key, OTHER_SEED) & (KEY_SLOTS - 1)
}
