import type { Backend } from '../../backends/backend.js'
import { LOAD_STEPS } from '../../leases/load-counter.js'
import { LinkedList } from '../../structures/linked-list.js'
import { TIER_COUNT, type Tier, tiers } from '../tier.js'
import type { GroupedCandidate, WeightGroup } from './weight-groups.js'

/** Stands for the load of a backend that is full, and so cannot be chosen. */
const FULL = -1

/** A backend in a {@link LoadGroup}. */
export class LoadCandidate implements GroupedCandidate<LoadGroup, LoadCandidate> {
  readonly backend: Backend
  group: LoadGroup
  /** A number that grows with each change of a load in the pool, as it was when this candidate got its present load. */
  since = 0
  /** The tier of the backend when the candidate was last placed. */
  tier: Tier
  /** The load of the backend when the candidate was last placed; FULL where the backend cannot be chosen. */
  placedLoad = FULL
  previous: LoadCandidate | undefined
  next: LoadCandidate | undefined
  readonly #countsQuietTunnels: boolean

  /** @param countsQuietTunnels true if a tunnel without traffic counts like any request */
  constructor(backend: Backend, group: LoadGroup, countsQuietTunnels: boolean) {
    this.backend = backend
    this.group = group
    this.tier = backend.tier
    this.#countsQuietTunnels = countsQuietTunnels
  }

  /** The load by which the candidate is compared. */
  get load(): number {
    const { backend } = this
    return this.#countsQuietTunnels ? backend.loadWithTunnels : backend.load
  }
}

/** Backends of one weight, by tier and load. The least loaded one is found without looking at the others. */
export class LoadGroup implements WeightGroup<LoadCandidate> {
  readonly weight: number
  size = 0
  /**
   * The number of requests that the group is behind its share, times the total weight of the pool; negative where the
   * group is ahead.
   */
  deficit = 0
  /** The deficit of the group before the latest choice. */
  deficitBefore = 0
  readonly #unlimited = new LoadLevels()
  /** The candidates of the other tiers, by tier; undefined as long as there was none. */
  #limited: LoadLevels[] | undefined

  constructor(weight: number) {
    this.weight = weight
  }

  /**
   * Returns the least loaded candidate that can be chosen, and among equals the one that has had its load for longest;
   * undefined where there is none.
   */
  first(except: ReadonlySet<Backend> | undefined, reach: Tier): LoadCandidate | undefined {
    const first = except ? this.#unlimited.firstExcept(except) : this.#unlimited.first
    if (!this.#limited || reach === tiers.unlimited) return first
    return this.#firstLimited(this.#limited, first, except, reach)
  }

  #firstLimited(
    limited: readonly LoadLevels[],
    first: LoadCandidate | undefined,
    except: ReadonlySet<Backend> | undefined,
    reach: Tier,
  ): LoadCandidate | undefined {
    let best = first
    for (let tier = tiers.withinShare; tier <= reach; tier++) {
      const levels = limited[tier] as LoadLevels
      const candidate = except ? levels.firstExcept(except) : levels.first
      if (candidate && (!best || candidate.placedLoad <= best.placedLoad)) best = candidate
    }
    return best
  }

  isInPlace({ placedLoad, backend }: LoadCandidate): boolean {
    return (placedLoad === FULL) === backend.isFull
  }

  /** Puts a candidate where its tier and load belong, last among equals. */
  place(candidate: LoadCandidate): void {
    this.#takeOut(candidate)?.append(candidate)
  }

  placeFirst(candidate: LoadCandidate): void {
    this.#takeOut(candidate)?.prepend(candidate)
  }

  /**
   * Takes a candidate out of its list. Returns the list of the tier where it belongs now; undefined where its backend
   * is full.
   */
  #takeOut(candidate: LoadCandidate): LoadLevels | undefined {
    this.remove(candidate)
    const { backend } = candidate
    candidate.tier = backend.tier
    candidate.placedLoad = backend.isFull ? FULL : candidate.load
    return candidate.placedLoad === FULL ? undefined : this.#levelsOf(candidate.tier)
  }

  remove(candidate: LoadCandidate): void {
    if (candidate.placedLoad !== FULL) this.#levelsOf(candidate.tier).remove(candidate)
    candidate.placedLoad = FULL
  }

  #levelsOf(tier: Tier): LoadLevels {
    if (tier === tiers.unlimited) return this.#unlimited
    this.#limited ??= Array.from({ length: TIER_COUNT }, () => new LoadLevels())
    return this.#limited[tier] as LoadLevels
  }
}

/**
 * Candidates by load, in a bucket queue (https://en.wikipedia.org/wiki/Bucket_queue): one bucket for each number of
 * requests, and for each step of a request from the first load on that is no whole number.
 */
class LoadLevels {
  /** Undefined where no candidate has been yet. */
  #levels: (LinkedList<LoadCandidate> | undefined)[] = []
  /** The first bucket that may have a candidate. */
  #least = 0
  /** True if there is a bucket for each step of a request, and not for each request. */
  #isSplit = false

  /** The least loaded candidate. */
  get first(): LoadCandidate | undefined {
    // Loads change by a request at a time, so this loop takes a few steps; it takes more only after the least loaded
    // candidate left or became full, and after other gateways were heard.
    while (this.#least < this.#levels.length) {
      const first = this.#levels[this.#least]?.first
      if (first) return first
      this.#least++
    }
    return undefined
  }

  /** The least loaded candidate whose backend is not in `except`. */
  firstExcept(except: ReadonlySet<Backend>): LoadCandidate | undefined {
    for (let level = this.#least; level < this.#levels.length; level++) {
      let candidate = this.#levels[level]?.first
      while (candidate && except.has(candidate.backend)) candidate = candidate.next
      if (candidate) return candidate
    }
    return undefined
  }

  append(candidate: LoadCandidate): void {
    this.#levelFor(candidate).append(candidate)
  }

  prepend(candidate: LoadCandidate): void {
    const level = this.#levelFor(candidate)
    level.insert(candidate, level.first)
  }

  remove(candidate: LoadCandidate): void {
    this.#levels[this.#isSplit ? candidate.placedLoad * LOAD_STEPS : candidate.placedLoad]?.remove(candidate)
  }

  #levelFor({ placedLoad }: LoadCandidate): LinkedList<LoadCandidate> {
    if (!this.#isSplit && (placedLoad | 0) !== placedLoad) this.#split()
    const at = this.#isSplit ? placedLoad * LOAD_STEPS : placedLoad
    while (this.#levels.length <= at) this.#levels.push(undefined)
    if (at < this.#least) this.#least = at
    let level = this.#levels[at]
    if (!level) {
      level = new LinkedList()
      this.#levels[at] = level
    }
    return level
  }

  /** Makes a bucket for each step of a request. */
  #split(): void {
    const levels = this.#levels
    this.#isSplit = true
    this.#least *= LOAD_STEPS
    this.#levels = []
    for (const level of levels) {
      this.#levels.push(level)
      for (let step = 1; step < LOAD_STEPS; step++) this.#levels.push(undefined)
    }
  }
}
