import type { Backend } from '../../backends/backend.js'
import { LOAD_STEPS } from '../../leases/load-counter.js'
import { MAX_INT32, type PoolTable, word } from '../../threads/table.js'
import type { Tier } from '../tier.js'
import { ScannedBackends, type ScannedGroup } from './scanned-backends.js'

// As constants they take an eighth less time in a scan than as fields of an object.
const CHANGED = word.changed
const QUIET_TUNNELS = word.quietTunnels
const EXTRA_LOAD = word.extraLoad
const SLOTS = word.slots
const STEPS = LOAD_STEPS

/** Finds the least loaded backend of a pool that threads share. */
export class ScannedLoads extends ScannedBackends {
  /** The load of the backend that was found last, and its number of requests in flight. */
  load = 0
  inFlight = 0
  readonly #countsQuietTunnels: boolean

  /** @param countsQuietTunnels true if a tunnel without traffic counts like any request */
  constructor(table: PoolTable, countsQuietTunnels: boolean) {
    super(table, word.changed)
    this.#countsQuietTunnels = countsQuietTunnels
  }

  /**
   * Returns the index of the least loaded backend of a group, among tiers up to `reach` and without excluded and full
   * ones; -1 where there is none. Among equals, one with a limited share goes first, because it has its turn now; then
   * the one that has had its load for longest.
   */
  first({ begin, end }: ScannedGroup, except: ReadonlySet<Backend> | undefined, reach: Tier): number {
    const { words, rows, tiers } = this
    let best = -1
    // In steps, as are the loads that it is compared with.
    let bestLoad = MAX_INT32
    let bestInFlight = 0
    let bestTier = 0
    let bestStamp = 0
    for (let i = begin; i < end; i++) {
      const row = rows[i] as number
      const inFlight = words[row] as number
      const quiet = words[row + QUIET_TUNNELS] as number
      const load =
        quiet === 0 ? inFlight * STEPS + (words[row + EXTRA_LOAD] as number) : this.loadAt(i) * STEPS
      if (load > bestLoad || inFlight >= (words[row + SLOTS] as number)) continue
      const tier = tiers[i] as number
      if (tier > reach) continue
      const stamp = words[row + CHANGED] as number
      if (load === bestLoad && !isBefore(tier, stamp, bestTier, bestStamp)) continue
      if (except?.has(this.list[i] as Backend)) continue
      best = i
      bestLoad = load
      bestInFlight = inFlight
      bestTier = tier
      bestStamp = stamp
    }
    this.load = bestLoad / STEPS
    this.inFlight = bestInFlight
    return best
  }

  /** Returns the load of a backend by which it is compared. */
  loadAt(i: number): number {
    const backend = this.list[i] as Backend
    return this.#countsQuietTunnels ? backend.loadWithTunnels : backend.load
  }

  /** Compares two backends of equal load: negative where the first one is the better choice. */
  compareEquals(i: number, other: number): number {
    return (this.tiers[other] as number) - (this.tiers[i] as number) || this.compareStamps(i, other)
  }
}

function isBefore(tier: number, stamp: number, otherTier: number, otherStamp: number): boolean {
  return tier === otherTier ? ((stamp - otherStamp) | 0) < 0 : tier > otherTier
}
