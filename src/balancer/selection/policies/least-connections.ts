import type { Backend } from '../../backends/backend.js'
import { LinkedList, type ListNode } from '../../structures/linked-list.js'
import { TIER_COUNT, type Tier, tiers } from '../tier.js'
import type { PickContext, Policy, Preview } from './policy.js'

/** How many requests' worth of share a group may be behind or ahead, so that no past weighs for ever. */
const MEMORY = 2

/**
 * The backend with the fewest requests in flight for its weight. (With hedging, `load`: those that were overtaken count
 * as well.)
 *
 * The load compared is `(inFlight + 1) / weight`, what a backend would carry with this request, as HAProxy's
 * leastconn has it. By itself that comparison starves light backends: with weights 5 and 2 and one request
 * at a time the light one gets nothing, with three at a time it gets a third, because whole requests cannot
 * be split 5 to 2. So the backends of each weight remember, as in smooth weighted round robin
 * (https://github.com/nginx/nginx/commit/52327e0627f49dbda1e8db695e63a4b0af4448b1), how much of their share
 * they are owed, and that much, always less than one request, is taken off their load:
 *
 *     load = (inFlight + 1 - owed) / weight      0 <= owed < 1
 *
 * It follows that among backends of one weight none is chosen while another has fewer in flight, and that
 * weights come out at any concurrency. Equal loads go round: who has waited longest is next. All numbers are
 * whole, both sides being multiplied by the total weight and by each other's weight.
 *
 * Backends of one weight are a group and stand in it by tier and count. A choice looks at the first of each tier of
 * each group, so that its cost grows with the number of different weights, not of backends.
 */
export class LeastConnections implements Policy {
  readonly #random: () => number
  readonly #countsAll: boolean
  #groups: Group[] = []
  readonly #candidates = new Map<Backend, Candidate>()
  #totalWeight = 0
  /** Counts up with each backend that is placed anew. */
  #moves = 0
  /** Counts down with each update that brings new ones. */
  #earliest = 0
  #updates = 0

  /** @param countsAll whether tunnels without traffic count like any request */
  constructor(random: () => number, countsAll = false) {
    this.#random = random
    this.#countsAll = countsAll
  }

  update(eligible: readonly Backend[]): void {
    const total = eligible.reduce((sum, { weight }) => sum + weight, 0)
    for (const group of this.#groups) group.owed = Math.trunc(group.owed * (total / this.#totalWeight))
    this.#totalWeight = total
    this.#updates++
    const joined: Candidate[] = []
    for (const backend of eligible) {
      const candidate = this.#candidates.get(backend)
      if (!candidate) {
        joined.push(this.#join(backend))
        continue
      }
      candidate.update = this.#updates
      if (!candidate.isInPlace) this.#move(candidate)
    }
    this.#dismiss(eligible.length)
    // New ones come before those that stood longest, in random order: gateways that start together should not all
    // begin with the same backend.
    joined.sort((a, b) => b.since - a.since)
    for (const candidate of joined) candidate.group.placeFirst(candidate)
    if (joined.length > 0) this.#earliest--
    this.#groups = this.#groups.filter(({ size }) => size > 0)
  }

  #join(backend: Backend): Candidate {
    const group = this.#groupOf(backend.weight)
    const candidate = new Candidate(
      backend,
      group,
      this.#earliest - this.#random(),
      this.#updates,
      this.#countsAll,
    )
    group.size++
    this.#candidates.set(backend, candidate)
    return candidate
  }

  /** Its weight, or what makes it full, is another one. */
  #move(candidate: Candidate): void {
    candidate.group.remove(candidate)
    candidate.group.size--
    candidate.group = this.#groupOf(candidate.backend.weight)
    candidate.group.size++
    this.changed(candidate.backend)
  }

  /** Takes out those that were not in the latest update, which had so many. */
  #dismiss(size: number): void {
    if (this.#candidates.size === size) return
    for (const [backend, candidate] of this.#candidates) {
      if (candidate.update === this.#updates) continue
      candidate.group.remove(candidate)
      candidate.group.size--
      this.#candidates.delete(backend)
    }
  }

  #groupOf(weight: number): Group {
    let group = this.#groups.find((one) => one.weight === weight)
    if (!group) {
      group = new Group(weight)
      this.#groups.push(group)
    }
    return group
  }

  changed(backend: Backend): void {
    const candidate = this.#candidates.get(backend)
    if (!candidate) return
    candidate.since = ++this.#moves
    candidate.group.place(candidate)
  }

  retiered(backend: Backend): void {
    this.changed(backend)
  }

  pick({ except, reach }: PickContext): Backend | undefined {
    const best = this.#best(except, reach)
    if (!best) {
      this.#undo()
      return undefined
    }
    best.group.owed = Math.max(-MEMORY * this.#totalWeight, best.group.owed - this.#totalWeight)
    return best.backend
  }

  explain({ except, reach }: PickContext): Preview {
    const choice = this.#best(except, reach)?.backend
    const total = this.#totalWeight
    const ranked = [...this.#candidates.values()]
      .map((candidate) => ({ candidate, load: this.#load(candidate, candidate.load) }))
      .sort((a, b) => compare(a.load, a.candidate, b.load, b.candidate))
    const scores = ranked.map(({ candidate, load }) => {
      const { backend, load: requests } = candidate
      const owed = requests + 1 - load / total
      return {
        backend,
        score: load / (total * backend.weight),
        probability: backend === choice ? 1 : 0,
        parts: { owed },
        note: `${requests} + 1 requests, less ${owed.toFixed(2)} owed, for weight ${backend.weight}`,
      }
    })
    this.#undo()
    return { choice, scores }
  }

  /** The next choice, for which each group is owed its part of one more request; {@link #undo} takes that back. */
  #best(except: ReadonlySet<Backend> | undefined, reach: Tier): Candidate | undefined {
    const most = MEMORY * this.#totalWeight
    let best: Candidate | undefined
    let bestLoad = 0
    for (const group of this.#groups) {
      group.before = group.owed
      group.owed = Math.min(most, group.owed + group.size * group.weight)
      const candidate = group.first(except, reach)
      if (!candidate) continue
      const load = this.#load(candidate, candidate.level)
      if (!best || compare(load, candidate, bestLoad, best) < 0) {
        best = candidate
        bestLoad = load
      }
    }
    return best
  }

  #undo(): void {
    for (const group of this.#groups) group.owed = group.before
  }

  /** With one more request than so many, times the total weight. */
  #load({ group }: Candidate, requests: number): number {
    const total = this.#totalWeight
    return (requests + 1) * total - Math.max(0, Math.min(total - 1, group.owed))
  }
}

/** Negative where the first of two is the better choice. Of equals one that is due its part of a share comes first. */
function compare(load: number, one: Candidate, otherLoad: number, other: Candidate): number {
  const difference = load * other.group.weight - otherLoad * one.group.weight
  return difference || other.tier - one.tier || one.since - other.since
}

/** The level of a backend that is at its limit and not to be chosen. */
const FULL = -1

class Candidate implements ListNode<Candidate> {
  readonly backend: Backend
  group: Group
  /** That of its backend, by which it stands in its group. */
  tier: Tier = 0
  /** Its `load`, by which it stands in its tier; or FULL. */
  level = FULL
  /** When it came to that level: among equals the one that has been there longest is next. */
  since: number
  /** The latest update that it was in. */
  update: number
  previous: Candidate | undefined
  next: Candidate | undefined

  /** Whether tunnels without traffic count like any request. */
  readonly #countsAll: boolean

  constructor(backend: Backend, group: Group, since: number, update: number, countsAll: boolean) {
    this.#countsAll = countsAll
    this.backend = backend
    this.group = group
    this.since = since
    this.update = update
    this.tier = backend.tier
  }

  /** The load by which it is compared. */
  get load(): number {
    const { backend } = this
    return this.#countsAll ? backend.inFlight + backend.residualLoad : backend.load
  }

  /** Whether it stands where weight and limit of its backend say. */
  get isInPlace(): boolean {
    return this.group.weight === this.backend.weight && (this.level === FULL) === this.backend.isFull
  }
}

/** Backends of one weight. */
class Group {
  readonly weight: number
  size = 0
  /** What it has yet to get of its share, in requests times the total weight; negative where it is ahead. */
  owed = 0
  /** The same before the latest choice. */
  before = 0
  readonly #whole = new Levels()
  /** Candidates of the other tiers, by tier; undefined as long as there was none. */
  #others: Levels[] | undefined

  constructor(weight: number) {
    this.weight = weight
  }

  /** The backend with the fewest requests in flight that may be chosen; undefined where there is none. */
  first(except: ReadonlySet<Backend> | undefined, reach: Tier): Candidate | undefined {
    const first = except ? this.#whole.firstBut(except) : this.#whole.first
    return this.#others && reach > tiers.unlimited ? this.#firstOf(this.#others, first, except, reach) : first
  }

  #firstOf(
    others: readonly Levels[],
    first: Candidate | undefined,
    except: ReadonlySet<Backend> | undefined,
    reach: Tier,
  ): Candidate | undefined {
    let best = first
    for (let tier = tiers.withinShare; tier <= reach; tier++) {
      const levels = others[tier] as Levels
      const candidate = except ? levels.firstBut(except) : levels.first
      if (candidate && (!best || candidate.level <= best.level)) best = candidate
    }
    return best
  }

  /** Puts a backend where its tier and its count say it belongs, the last there. */
  place(candidate: Candidate): void {
    this.#settle(candidate)?.add(candidate)
  }

  /** Puts a backend where its tier and its count say it belongs, the first there. */
  placeFirst(candidate: Candidate): void {
    this.#settle(candidate)?.addFirst(candidate)
  }

  /** Takes a backend from where it stands. Returns where it belongs now; undefined where it is full. */
  #settle(candidate: Candidate): Levels | undefined {
    this.remove(candidate)
    const { backend } = candidate
    candidate.tier = backend.tier
    candidate.level = backend.isFull ? FULL : candidate.load
    return candidate.level === FULL ? undefined : this.#of(candidate.tier)
  }

  /** Takes it out of the choice. */
  remove(candidate: Candidate): void {
    if (candidate.level !== FULL) this.#of(candidate.tier).remove(candidate)
    candidate.level = FULL
  }

  #of(tier: Tier): Levels {
    if (tier === tiers.unlimited) return this.#whole
    this.#others ??= Array.from({ length: TIER_COUNT }, () => new Levels())
    return this.#others[tier] as Levels
  }
}

/** Backends by level. */
class Levels {
  readonly #levels: LinkedList<Candidate>[] = []
  /** No backend stands below this level. */
  #least = 0

  /** The one at the least level. */
  get first(): Candidate | undefined {
    // Counts change by one, so this takes a step or two; more only after the least loaded one left or is full.
    while (this.#least < this.#levels.length) {
      const first = this.#levels[this.#least]?.first
      if (first) return first
      this.#least++
    }
    return undefined
  }

  /** The same among those that are not in `except`. */
  firstBut(except: ReadonlySet<Backend>): Candidate | undefined {
    for (let level = this.#least; level < this.#levels.length; level++) {
      let candidate = this.#levels[level]?.first
      while (candidate && except.has(candidate.backend)) candidate = candidate.next
      if (candidate) return candidate
    }
    return undefined
  }

  add(candidate: Candidate): void {
    this.#levelFor(candidate).append(candidate)
  }

  addFirst(candidate: Candidate): void {
    const level = this.#levelFor(candidate)
    level.insert(candidate, level.first)
  }

  remove(candidate: Candidate): void {
    this.#levels[candidate.level]?.remove(candidate)
  }

  #levelFor({ level }: Candidate): LinkedList<Candidate> {
    while (this.#levels.length <= level) this.#levels.push(new LinkedList())
    if (level < this.#least) this.#least = level
    return this.#levels[level] as LinkedList<Candidate>
  }
}
