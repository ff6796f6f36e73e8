import type { Backend } from '../../backends/backend.js'
import { LinkedList } from '../../structures/linked-list.js'
import { TIER_COUNT, type Tier, tiers } from '../tier.js'
import type { GroupedCandidate, WeightGroup } from './weight-groups.js'

/** Stands for the tier of a backend that is full, and so has no turn. */
const FULL = -1
/** The order in which tiers have their turns: a limited backend that has credit for a request comes first. */
const TIER_ORDER: readonly Tier[] = [tiers.withinShare, tiers.unlimited, tiers.shareUsed, tiers.coolingDown]

/** A backend in a {@link TurnGroup}. */
export class TurnCandidate implements GroupedCandidate<TurnGroup, TurnCandidate> {
  readonly backend: Backend
  group: TurnGroup
  since = 0
  /** The tier of the backend when the candidate was last placed; FULL where the backend cannot be chosen. */
  tier: Tier | typeof FULL = FULL
  previous: TurnCandidate | undefined
  next: TurnCandidate | undefined

  constructor(backend: Backend, group: TurnGroup) {
    this.backend = backend
    this.group = group
  }

  get isFull(): boolean {
    return this.tier === FULL
  }
}

/** Backends of one weight, which take turns. */
export class TurnGroup implements WeightGroup<TurnCandidate> {
  readonly weight: number
  size = 0
  /** The number of requests that the group is behind its share, times the total weight. */
  deficit = 0
  /** The deficit of the group before the latest choice. */
  deficitBefore = 0
  /** Number of candidates that could be chosen, but that the present request excludes. */
  excluded = 0
  /** The candidates of each tier that can be chosen, in the order of their turns; `#counts` has their numbers. */
  readonly #turns: readonly LinkedList<TurnCandidate>[] = Array.from(
    { length: TIER_COUNT },
    () => new LinkedList(),
  )
  readonly #counts: number[] = new Array(TIER_COUNT).fill(0)

  constructor(weight: number) {
    this.weight = weight
  }

  /** Returns the number of candidates that can be chosen, of tiers up to `reach`. */
  countUpTo(reach: Tier): number {
    let count = 0
    for (let tier = 0; tier <= reach; tier++) count += this.#counts[tier] as number
    return count
  }

  /**
   * Returns the candidate whose turn is next, among tiers up to `reach` and without excluded backends; undefined where
   * there is none.
   */
  first(except: ReadonlySet<Backend> | undefined, reach: Tier): TurnCandidate | undefined {
    for (const tier of TIER_ORDER) {
      if (tier > reach) continue
      let candidate = this.#turnsOf(tier).first
      while (candidate && except?.has(candidate.backend)) candidate = candidate.next
      if (candidate) return candidate
    }
    return undefined
  }

  /** The backends that can be chosen, in the order of their turns. */
  get inTurn(): Backend[] {
    const backends: Backend[] = []
    for (const tier of TIER_ORDER) {
      for (let one = this.#turnsOf(tier).first; one; one = one.next) backends.push(one.backend)
    }
    return backends
  }

  moveToEnd(candidate: TurnCandidate): void {
    if (candidate.tier === FULL) return
    const turns = this.#turnsOf(candidate.tier)
    turns.remove(candidate)
    turns.append(candidate)
  }

  isInPlace({ tier, backend }: TurnCandidate): boolean {
    return tier === (backend.isFull ? FULL : backend.tier)
  }

  /**
   * Puts a candidate where the tier of its backend belongs, last in turn; a candidate that is there already keeps its
   * turn.
   */
  place(candidate: TurnCandidate): void {
    if (this.isInPlace(candidate)) return
    this.remove(candidate)
    const { backend } = candidate
    if (backend.isFull) return
    candidate.tier = backend.tier
    this.#add(backend.tier, 1).append(candidate)
  }

  placeFirst(candidate: TurnCandidate): void {
    this.place(candidate)
    if (candidate.tier === FULL) return
    const turns = this.#turnsOf(candidate.tier)
    turns.remove(candidate)
    turns.insert(candidate, turns.first)
  }

  remove(candidate: TurnCandidate): void {
    if (candidate.tier !== FULL) this.#add(candidate.tier, -1).remove(candidate)
    candidate.tier = FULL
  }

  #add(tier: Tier, count: number): LinkedList<TurnCandidate> {
    this.#counts[tier] = (this.#counts[tier] as number) + count
    return this.#turnsOf(tier)
  }

  #turnsOf(tier: Tier): LinkedList<TurnCandidate> {
    return this.#turns[tier] as LinkedList<TurnCandidate>
  }
}
