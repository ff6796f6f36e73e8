import type { Backend } from '../../backends/backend.js'
import { LinkedList, type ListNode } from '../../structures/linked-list.js'
import { TIER_COUNT, type Tier, tiers } from '../tier.js'
import type { CandidateScore, PickContext, Policy, Preview } from './policy.js'

/**
 * Each backend in turn, as often as its weight says, and spread evenly: with weights 5, 1 and 1 the order is
 * a a b a c a a, not a a a a a b c. That is nginx' smooth weighted round robin
 * (https://github.com/nginx/nginx/commit/52327e0627f49dbda1e8db695e63a4b0af4448b1): with every choice each
 * backend that may be chosen is credited its weight, and the one with most credit is chosen and pays what all
 * were credited.
 *
 * Backends of one weight share their credit and take turns, so that the cost of a choice grows with the
 * number of different weights, not of backends.
 */
export class WeightedRoundRobin implements Policy {
  readonly ignoresLoad = true
  readonly #random: () => number
  #groups: Group[] = []
  readonly #candidates = new Map<Backend, Candidate>()
  /** Counts down with each update that brings new ones, which come before all others. */
  #earliest = 0
  #updates = 0
  #picks = 0
  /** What all were credited in the latest choice. */
  #total = 0

  constructor(random: () => number) {
    this.#random = random
  }

  update(eligible: readonly Backend[]): void {
    this.#updates++
    const joined: Candidate[] = []
    for (const backend of eligible) {
      const candidate = this.#candidates.get(backend)
      if (!candidate) joined.push(this.#join(backend))
      else if (candidate.group.weight !== backend.weight) this.#move(candidate)
      else candidate.group.place(candidate)
      if (candidate) candidate.update = this.#updates
    }
    this.#dismiss(eligible.length)
    // Gateways that start together should not all begin with the same backend, or the same weight.
    for (const group of this.#groups) if (group.isNew) group.begin(this.#random())
    for (const candidate of joined) candidate.since = this.#earliest - this.#random()
    joined.sort((a, b) => b.since - a.since)
    for (const candidate of joined) candidate.group.placeFirst(candidate)
    if (joined.length > 0) this.#earliest--
    this.#groups = this.#groups.filter(({ registered }) => registered > 0)
  }

  #join(backend: Backend): Candidate {
    const group = this.#groupOf(backend.weight)
    group.registered++
    const candidate: Candidate = {
      backend,
      group,
      since: 0,
      tier: CLOSED,
      update: this.#updates,
      previous: undefined,
      next: undefined,
    }
    this.#candidates.set(backend, candidate)
    return candidate
  }

  /** Its weight is another one. */
  #move(candidate: Candidate): void {
    this.#leave(candidate)
    candidate.group = this.#groupOf(candidate.backend.weight)
    candidate.group.registered++
    candidate.group.place(candidate)
  }

  /** Takes out those that were not in the latest update, which had so many. */
  #dismiss(size: number): void {
    if (this.#candidates.size === size) return
    for (const [backend, candidate] of this.#candidates) {
      if (candidate.update === this.#updates) continue
      this.#leave(candidate)
      this.#candidates.delete(backend)
    }
  }

  #leave(candidate: Candidate): void {
    candidate.group.close(candidate)
    candidate.group.registered--
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
    candidate?.group.place(candidate)
  }

  retiered(backend: Backend): void {
    this.changed(backend)
  }

  pick({ except, reach }: PickContext): Backend | undefined {
    const best = this.#best(except, reach)
    const chosen = best?.first(except, reach)
    if (!best || !chosen) return undefined
    const total = this.#total
    // What a group was ahead or behind in another set of backends must not weigh for ever.
    best.credit = Math.max(-total, Math.min(total, best.credit) - total)
    chosen.since = ++this.#picks
    best.toTheEnd(chosen)
    return chosen.backend
  }

  explain({ except, reach }: PickContext): Preview {
    const best = this.#best(except, reach)
    const choice = best?.first(except, reach)?.backend
    const total = this.#total
    const scores = [...this.#groups]
      .sort((a, b) => b.credit - a.credit)
      .flatMap((group) => this.#membersOf(group).map((backend) => ({ backend, group })))
      .map(({ backend, group }): CandidateScore => {
        // Nobody is credited anything where nobody may be chosen.
        const credit = total === 0 ? 0 : group.credit / total
        return {
          backend,
          score: -credit,
          probability: backend === choice ? 1 : 0,
          parts: { credit },
          note: `those of weight ${group.weight} take turns, and have a credit of ${credit.toFixed(2)} requests`,
        }
      })
    for (const group of this.#groups) group.credit = group.before
    return { choice, scores }
  }

  /** In the order of their turns; those that are full come last. */
  #membersOf(group: Group): Backend[] {
    const members = group.members
    for (const [backend, candidate] of this.#candidates)
      if (candidate.group === group && candidate.tier === CLOSED) members.push(backend)
    return members
  }

  /** Whose turn it is. It credits each group its part, and leaves with it what it had before. */
  #best(except: ReadonlySet<Backend> | undefined, reach: Tier): Group | undefined {
    if (except) for (const backend of except) this.#withhold(backend, reach, 1)
    let total = 0
    let best: Group | undefined
    for (const group of this.#groups) {
      const share = (group.size(reach) - group.withheld) * group.weight
      group.before = group.credit
      if (share === 0) continue
      total += share
      group.credit += share
      if (!best || group.credit > best.credit) best = group
    }
    this.#total = total
    if (except) for (const backend of except) this.#withhold(backend, reach, -1)
    return best
  }

  #withhold(backend: Backend, reach: Tier, count: number): void {
    const candidate = this.#candidates.get(backend)
    if (candidate && candidate.tier !== CLOSED && candidate.tier <= reach) candidate.group.withheld += count
  }
}

/** In place of a tier, for one that is full. */
const CLOSED = -1
/** In which order those of one weight are looked at: first those that are due their part of a share. */
const ORDER: readonly Tier[] = [tiers.withinShare, tiers.unlimited, tiers.shareUsed, tiers.coolingDown]

interface Candidate extends ListNode<Candidate> {
  readonly backend: Backend
  group: Group
  /** When it was chosen: among those of its weight the one for which that is longest ago is next. */
  since: number
  /** That of its backend, while it stands for choice; CLOSED while it is full. */
  tier: Tier | typeof CLOSED
  /** The latest update that it was in. */
  update: number
}

/** Backends of one weight, in the order of their turns. */
class Group {
  readonly weight: number
  /** How many there are, full ones included. */
  registered = 0
  isNew = true
  /** In requests times the total weight. */
  credit = 0
  /** The same before the latest choice. */
  before = 0
  /** How many of those that stand for choice may not be chosen this time. */
  withheld = 0
  /** By tier, and how many of each stand for choice. */
  readonly #turns: readonly LinkedList<Candidate>[] = Array.from(
    { length: TIER_COUNT },
    () => new LinkedList(),
  )
  readonly #sizes: number[] = new Array(TIER_COUNT).fill(0)

  constructor(weight: number) {
    this.weight = weight
  }

  /** @param part of what it may be credited in one round, from 0 to 1 */
  begin(part: number): void {
    this.isNew = false
    this.credit = part * this.weight * this.registered
  }

  /** How many there are of tiers up to `reach`. */
  size(reach: Tier): number {
    let size = 0
    for (let tier = 0; tier <= reach; tier++) size += this.#sizes[tier] as number
    return size
  }

  first(except: ReadonlySet<Backend> | undefined, reach: Tier): Candidate | undefined {
    for (const tier of ORDER) {
      if (tier > reach) continue
      let candidate = this.#turnsOf(tier).first
      while (candidate && except?.has(candidate.backend)) candidate = candidate.next
      if (candidate) return candidate
    }
    return undefined
  }

  /** All that stand for choice. */
  get members(): Backend[] {
    const members: Backend[] = []
    for (const tier of ORDER) {
      for (let candidate = this.#turnsOf(tier).first; candidate; candidate = candidate.next)
        members.push(candidate.backend)
    }
    return members
  }

  toTheEnd(candidate: Candidate): void {
    if (candidate.tier === CLOSED) return
    const turns = this.#turnsOf(candidate.tier)
    turns.remove(candidate)
    turns.append(candidate)
  }

  /** Adds a backend that can take a request to those that stand for choice, and takes off one that cannot. */
  place(candidate: Candidate): void {
    const { tier: before, backend } = candidate
    const tier = backend.isFull ? CLOSED : backend.tier
    if (tier === before) return
    this.close(candidate)
    candidate.tier = tier
    if (tier !== CLOSED) this.#count(tier, 1).append(candidate)
  }

  /** The same for one that does not stand for choice yet: it is the next. */
  placeFirst(candidate: Candidate): void {
    this.place(candidate)
    if (candidate.tier === CLOSED) return
    const turns = this.#turnsOf(candidate.tier)
    turns.remove(candidate)
    turns.insert(candidate, turns.first)
  }

  /** Takes one off those that stand for choice. */
  close(candidate: Candidate): void {
    if (candidate.tier !== CLOSED) this.#count(candidate.tier, -1).remove(candidate)
    candidate.tier = CLOSED
  }

  #count(tier: Tier, change: number): LinkedList<Candidate> {
    this.#sizes[tier] = (this.#sizes[tier] as number) + change
    return this.#turnsOf(tier)
  }

  #turnsOf(tier: Tier): LinkedList<Candidate> {
    return this.#turns[tier] as LinkedList<Candidate>
  }
}
