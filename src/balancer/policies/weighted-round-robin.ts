import type { Backend } from '../backend.js'
import { Chain, type Link } from '../chain.js'
import type { Policy, Preview, Standing } from './policy.js'

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
  readonly #random: () => number
  #groups: readonly Group[] = []
  #candidates = new Map<Backend, Candidate>()
  #picks = 0
  /** What all were credited in the latest choice. */
  #total = 0

  constructor(random: () => number) {
    this.#random = random
  }

  update(eligible: readonly Backend[]): void {
    const before = this.#candidates
    const known = new Map(this.#groups.map((group) => [group.weight, group]))
    const sizes = new Map<number, number>()
    for (const { weight } of eligible) sizes.set(weight, (sizes.get(weight) ?? 0) + 1)
    // Gateways that start together should not all begin with the same backend, or the same weight.
    const groups = new Map(
      [...sizes].map(([weight, size]) => {
        const start = known.get(weight)?.credit ?? this.#random() * weight * size
        return [weight, new Group(weight, start)]
      }),
    )
    const candidates = eligible
      .map((backend): Candidate => {
        const group = groups.get(backend.weight) as Group
        const since = before.get(backend)?.since ?? -this.#random()
        return { backend, group, since, open: false, previous: undefined, next: undefined }
      })
      .sort((a, b) => a.since - b.since)
    for (const candidate of candidates) candidate.group.place(candidate)
    this.#groups = [...groups.values()]
    this.#candidates = new Map(candidates.map((candidate) => [candidate.backend, candidate]))
  }

  changed(backend: Backend): void {
    const candidate = this.#candidates.get(backend)
    candidate?.group.place(candidate)
  }

  pick(_now: number, except?: ReadonlySet<Backend>): Backend | undefined {
    const best = this.#best(except)
    const chosen = best?.first(except)
    if (!best || !chosen) return undefined
    const total = this.#total
    // What a group was ahead or behind in another set of backends must not weigh for ever.
    best.credit = Math.max(-total, Math.min(total, best.credit) - total)
    chosen.since = ++this.#picks
    best.toTheEnd(chosen)
    return chosen.backend
  }

  explain(_now: number, except?: ReadonlySet<Backend>): Preview {
    const best = this.#best(except)
    const choice = best?.first(except)?.backend
    const total = this.#total
    const standings = [...this.#groups]
      .sort((a, b) => b.credit - a.credit)
      .flatMap((group) => this.#membersOf(group).map((backend) => ({ backend, group })))
      .map(({ backend, group }): Standing => {
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
    return { choice, standings }
  }

  /** In the order of their turns; those that are full come last. */
  #membersOf(group: Group): Backend[] {
    const members: Backend[] = []
    for (let candidate = group.first(undefined); candidate; candidate = candidate.next)
      members.push(candidate.backend)
    for (const [backend, candidate] of this.#candidates)
      if (candidate.group === group && !candidate.open) members.push(backend)
    return members
  }

  /** Whose turn it is. It credits each group its part, and leaves with it what it had before. */
  #best(except: ReadonlySet<Backend> | undefined): Group | undefined {
    if (except) for (const backend of except) this.#withhold(backend, true)
    let total = 0
    let best: Group | undefined
    for (const group of this.#groups) {
      const share = (group.size - group.withheld) * group.weight
      group.before = group.credit
      if (share === 0) continue
      total += share
      group.credit += share
      if (!best || group.credit > best.credit) best = group
    }
    this.#total = total
    if (except) for (const backend of except) this.#withhold(backend, false)
    return best
  }

  #withhold(backend: Backend, withheld: boolean): void {
    const candidate = this.#candidates.get(backend)
    if (candidate?.open) candidate.group.withheld += withheld ? 1 : -1
  }
}

interface Candidate extends Link<Candidate> {
  readonly backend: Backend
  readonly group: Group
  /** When it was chosen: among those of its weight the one for which that is longest ago is next. */
  since: number
  /** Whether it stands for choice, and is not full. */
  open: boolean
}

/** Backends of one weight, in the order of their turns. */
class Group {
  readonly weight: number
  /** In requests times the total weight. */
  credit: number
  /** The same before the latest choice. */
  before = 0
  /** How many stand for choice, and how many of them may not be chosen this time. */
  size = 0
  withheld = 0
  readonly #turns = new Chain<Candidate>()

  constructor(weight: number, credit: number) {
    this.weight = weight
    this.credit = credit
  }

  first(except: ReadonlySet<Backend> | undefined): Candidate | undefined {
    let candidate = this.#turns.first
    while (candidate && except?.has(candidate.backend)) candidate = candidate.next
    return candidate
  }

  toTheEnd(candidate: Candidate): void {
    this.#turns.remove(candidate)
    this.#turns.append(candidate)
  }

  /** Adds a backend that can take a request to those that stand for choice, and takes off one that cannot. */
  place(candidate: Candidate): void {
    const open = !candidate.backend.isFull
    if (open === candidate.open) return
    candidate.open = open
    if (open) {
      this.size++
      this.#turns.append(candidate)
    } else {
      this.size--
      this.#turns.remove(candidate)
    }
  }
}
