import type { Backend } from '../backends/backend.js'
import { TIER_COUNT, type Tier } from './tier.js'

/** In place of a tier, for one that is full or withheld. */
const CLOSED = -1

/**
 * The backends of a list that can take a request, by tier and with a weight each: to draw one of them, or to find the
 * next one in the list, takes as many steps as a binary search, however many are full or have had their share. Each
 * tier is a Fenwick tree (https://en.wikipedia.org/wiki/Fenwick_tree) of the weights. The trees are made when they are
 * needed for the first time.
 */
export class Openings {
  readonly #backends: readonly Backend[]
  readonly #weightOf: (backend: Backend) => number
  readonly #indexes = new Map<Backend, number>()
  /** Undefined until the trees are made. */
  #tiers: Int8Array | undefined
  /** Of each tier that was ever used: at `i` the sum of the weights that `i` stands for, counted from 1. */
  readonly #trees: (Float64Array | undefined)[] = new Array(TIER_COUNT).fill(undefined)
  readonly #totals = new Float64Array(TIER_COUNT)
  /** The largest power of two that is not more than the length of the list. */
  readonly #top: number

  constructor(backends: readonly Backend[], weightOf: (backend: Backend) => number) {
    this.#backends = backends
    this.#weightOf = weightOf
    this.#top = backends.length === 0 ? 0 : 2 ** Math.floor(Math.log2(backends.length))
  }

  /** The tier of a backend, or whether it is full, may have changed. */
  place(backend: Backend): void {
    if (!this.#tiers) return
    const index = this.#indexes.get(backend)
    if (index !== undefined) this.#move(this.#tiers, index, backend.isFull ? CLOSED : backend.tier)
  }

  /** Leaves a backend out until it is {@link place}d again. */
  withhold(backend: Backend): void {
    const tiers = this.#tiers ?? this.#make()
    const index = this.#indexes.get(backend)
    if (index !== undefined) this.#move(tiers, index, CLOSED)
  }

  /** Leaves several backends out, until {@link placeAll}. */
  withholdAll(backends: ReadonlySet<Backend> | undefined): void {
    if (backends) for (const backend of backends) this.withhold(backend)
  }

  placeAll(backends: ReadonlySet<Backend> | undefined): void {
    if (backends) for (const backend of backends) this.place(backend)
  }

  /** The weight of those that can take a request, of tiers up to `reach`. */
  total(reach: Tier): number {
    if (!this.#tiers) this.#make()
    let sum = 0
    for (let tier = 0; tier <= reach; tier++) sum += this.#totals[tier] as number
    return sum
  }

  /** The weight of those that stand before an index. */
  before(index: number, reach: Tier): number {
    if (!this.#tiers) this.#make()
    let sum = 0
    for (let tier = 0; tier <= reach; tier++) {
      const tree = this.#trees[tier]
      if (tree) for (let i = index; i > 0; i -= i & -i) sum += tree[i] as number
    }
    return sum
  }

  /** The index of the first one up to and with which the weights sum up to more than `point`; see {@link total}. */
  at(point: number, reach: Tier): number {
    if (!this.#tiers) this.#make()
    let index = 0
    let left = point
    for (let step = this.#top; step > 0; step >>= 1) {
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

  #make(): Int8Array {
    this.#tiers = new Int8Array(this.#backends.length).fill(CLOSED)
    for (const [i, backend] of this.#backends.entries()) {
      this.#indexes.set(backend, i)
      this.#move(this.#tiers, i, backend.isFull ? CLOSED : backend.tier)
    }
    return this.#tiers
  }

  #move(tiers: Int8Array, index: number, tier: number): void {
    const before = tiers[index] as number
    if (tier === before) return
    const weight = this.#weightOf(this.#backends[index] as Backend)
    if (before !== CLOSED) this.#add(before, index, -weight)
    if (tier !== CLOSED) this.#add(tier, index, weight)
    tiers[index] = tier
  }

  #add(tier: number, index: number, weight: number): void {
    const { length } = this.#backends
    this.#totals[tier] = (this.#totals[tier] as number) + weight
    this.#trees[tier] ??= new Float64Array(length + 1)
    const tree = this.#trees[tier]
    for (let i = index + 1; i <= length; i += i & -i) tree[i] = (tree[i] as number) + weight
  }
}
