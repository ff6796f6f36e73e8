import type { Backend } from '../../backends/backend.js'
import { type PoolTable, word } from '../../threads/table.js'
import { TIER_COUNT, type Tier } from '../tier.js'
import { ScannedBackends, type ScannedGroup } from './scanned-backends.js'

interface ScannedTurnsOptions {
  /** True if all backends take turns with each other, whatever their weights. */
  readonly ignoresWeight: boolean
  /** The place of each tier in the order of turns: the least is first. By default tiers make no difference. */
  readonly tierPlaces?: readonly number[]
}

/** Finds the backend whose turn is next in a pool that threads share: the one that was chosen longest ago. */
export class ScannedTurns extends ScannedBackends {
  /** The number of backends that could be chosen when the latest one was looked for. */
  available = 0
  /** The stamp of the backend that was found last, as it was then. */
  stamp = 0
  readonly #ignoresWeight: boolean
  readonly #tierPlaces: readonly number[]

  constructor(table: PoolTable, options: ScannedTurnsOptions) {
    super(table, word.chosen)
    this.#ignoresWeight = options.ignoresWeight
    this.#tierPlaces = options.tierPlaces ?? new Array(TIER_COUNT).fill(0)
  }

  /**
   * Returns the index of the backend of a group whose turn is next, among tiers up to `reach` and without excluded and
   * full ones; -1 where there is none.
   */
  first({ begin, end }: ScannedGroup, except: ReadonlySet<Backend> | undefined, reach: Tier): number {
    const { words, rows, tiers } = this
    let best = -1
    let bestPlace = 0
    let bestStamp = 0
    let available = 0
    for (let i = begin; i < end; i++) {
      const row = rows[i] as number
      const tier = tiers[i] as number
      if ((words[row] as number) >= (words[row + word.slots] as number) || tier > reach) continue
      if (except?.has(this.list[i] as Backend)) continue
      available++
      const place = this.#tierPlaces[tier] as number
      const stamp = words[row + word.chosen] as number
      const isLater = place === bestPlace ? ((stamp - bestStamp) | 0) >= 0 : place > bestPlace
      if (best !== -1 && isLater) continue
      best = i
      bestPlace = place
      bestStamp = stamp
    }
    this.available = available
    this.stamp = bestStamp
    return best
  }

  /**
   * Takes the turn of a backend.
   * @param stamp the backend's stamp when it was found
   * @returns false where another thread has taken the turn since
   */
  take(i: number, stamp: number): boolean {
    const at = (this.rows[i] as number) + word.chosen
    return Atomics.compareExchange(this.words, at, stamp, this.table.nextStamp()) === stamp
  }

  /** Compares the turns of two backends: negative where the first one has its turn earlier. Full ones come last. */
  compareTurns(i: number, other: number): number {
    return this.#placeOf(i) - this.#placeOf(other) || this.compareStamps(i, other) || i - other
  }

  protected override weightOf(backend: Backend): number {
    return this.#ignoresWeight ? 1 : super.weightOf(backend)
  }

  #placeOf(i: number): number {
    if ((this.list[i] as Backend).isFull) return TIER_COUNT
    return this.#tierPlaces[this.tiers[i] as number] as number
  }
}
