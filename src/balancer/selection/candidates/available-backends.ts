import type { Backend } from '../../backends/backend.js'
import { TIER_COUNT, type Tier } from '../tier.js'

/** Stands for the tier of a backend that is full or excluded. */
const UNAVAILABLE = -1

/**
 * The backends of a list that can take a request, by tier, and each with a weight. Drawing one of them, or finding the
 * next one in the list, takes as many steps as a binary search, however many backends are full or have used their
 * share. Each tier is a Fenwick tree (https://en.wikipedia.org/wiki/Fenwick_tree) of weights; the trees are made when
 * they are first needed.
 */
export class AvailableBackends {
  readonly #backends: readonly Backend[]
  readonly #weightOf: (backend: Backend) => number
  readonly #indexes = new Map<Backend, number>()
  /** The tier of each backend; undefined until the trees are made. */
  #tiers: Int8Array | undefined
  /**
   * The tree of each tier; undefined for a tier that was never used. Entry `i` of a tree, from 1 on, is the sum of the
   * weights that node `i` covers.
   */
  readonly #trees: (Float64Array | undefined)[] = new Array(TIER_COUNT).fill(undefined)
  readonly #totals = new Float64Array(TIER_COUNT)
  /** The largest power of two that is not more than the length of the list; 0 for an empty list. */
  readonly #largestStep: number

  constructor(backends: readonly Backend[], weightOf: (backend: Backend) => number) {
    this.#backends = backends
    this.#weightOf = weightOf
    this.#largestStep = backends.length === 0 ? 0 : 2 ** Math.floor(Math.log2(backends.length))
  }

  /** Updates a backend whose tier, or whether it is full, may have changed. The backend is no longer excluded. */
  refresh(backend: Backend): void {
    if (!this.#tiers) return
    const index = this.#indexes.get(backend)
    if (index !== undefined) this.#setTier(this.#tiers, index, backend.isFull ? UNAVAILABLE : backend.tier)
  }

  /** Leaves a backend out until {@link refresh} is called for it. */
  exclude(backend: Backend): void {
    const tiers = this.#tiers ?? this.#makeTrees()
    const index = this.#indexes.get(backend)
    if (index !== undefined) this.#setTier(tiers, index, UNAVAILABLE)
  }

  /** Leaves several backends out, until {@link refreshAll}. */
  excludeAll(backends: ReadonlySet<Backend> | undefined): void {
    if (backends) for (const backend of backends) this.exclude(backend)
  }

  refreshAll(backends: ReadonlySet<Backend> | undefined): void {
    if (backends) for (const backend of backends) this.refresh(backend)
  }

  /** Returns the total weight of the available backends of tiers up to `reach`. */
  totalWeight(reach: Tier): number {
    if (!this.#tiers) this.#makeTrees()
    let sum = 0
    for (let tier = 0; tier <= reach; tier++) sum += this.#totals[tier] as number
    return sum
  }

  /** Returns the total weight of the available backends before an index, of tiers up to `reach`. */
  weightBefore(index: number, reach: Tier): number {
    if (!this.#tiers) this.#makeTrees()
    let sum = 0
    for (let tier = 0; tier <= reach; tier++) {
      const tree = this.#trees[tier]
      if (tree) for (let i = index; i > 0; i -= i & -i) sum += tree[i] as number
    }
    return sum
  }

  /**
   * Returns the first index up to which the weights add up to more than `point`, which is less than {@link
   * totalWeight}.
   */
  indexAt(point: number, reach: Tier): number {
    if (!this.#tiers) this.#makeTrees()
    let index = 0
    let left = point
    for (let step = this.#largestStep; step > 0; step >>= 1) {
      const next = index + step
      if (next > this.#backends.length) continue
      let sum = 0
      for (let tier = 0; tier <= reach; tier++) sum += this.#trees[tier]?.[next] ?? 0
      if (sum > left) continue
      index = next
      left -= sum
    }
    return index
  }

  #makeTrees(): Int8Array {
    this.#tiers = new Int8Array(this.#backends.length).fill(UNAVAILABLE)
    for (const [i, backend] of this.#backends.entries()) {
      this.#indexes.set(backend, i)
      this.#setTier(this.#tiers, i, backend.isFull ? UNAVAILABLE : backend.tier)
    }
    return this.#tiers
  }

  #setTier(tiers: Int8Array, index: number, tier: number): void {
    const before = tiers[index] as number
    if (tier === before) return
    const weight = this.#weightOf(this.#backends[index] as Backend)
    if (before !== UNAVAILABLE) this.#addWeight(before, index, -weight)
    if (tier !== UNAVAILABLE) this.#addWeight(tier, index, weight)
    tiers[index] = tier
  }

  #addWeight(tier: number, index: number, weight: number): void {
    const { length } = this.#backends
    this.#totals[tier] = (this.#totals[tier] as number) + weight
    this.#trees[tier] ??= new Float64Array(length + 1)
    const tree = this.#trees[tier]
    for (let i = index + 1; i <= length; i += i & -i) tree[i] = (tree[i] as number) + weight
  }
}
