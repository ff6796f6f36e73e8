import type { Backend } from '../../backends/backend.js'
import { TurnCandidate, TurnGroup } from '../candidates/turn-groups.js'
import { WeightGroups } from '../candidates/weight-groups.js'
import type { Tier } from '../tier.js'
import type { CandidateScore, PickContext, Policy, Preview } from './policy.js'

/**
 * Chooses each backend in turn, as often as its weight says, and spread evenly: with weights 5, 1 and 1 the order is a
 * a b a c a a, and not a a a a a b c. This is nginx' smooth weighted round robin
 * (https://github.com/nginx/nginx/commit/52327e0627f49dbda1e8db695e63a4b0af4448b1): each choice adds to the deficit of
 * every backend that can be chosen its weight; the backend with the largest deficit is chosen, and the sum of the added
 * weights is subtracted from its deficit.
 *
 * Backends of one weight share their deficit and take turns, so the cost of a choice grows with the number of different
 * weights, and not with the number of backends.
 */
export class WeightedRoundRobin implements Policy {
  readonly ignoresLoad = true
  readonly #random: () => number
  readonly #groups = new WeightGroups<TurnGroup, TurnCandidate>({
    makeGroup: (weight) => new TurnGroup(weight),
    makeCandidate: (backend, group) => new TurnCandidate(backend, group),
    place: (candidate) => candidate.group.place(candidate),
  })
  /** The total weight of the backends that could be chosen in the latest choice. */
  #totalWeight = 0

  constructor(random: () => number) {
    this.#random = random
  }

  update(eligible: readonly Backend[]): void {
    this.#groups.update(eligible, this.#random, (newGroups) => {
      // Deficits begin at random, because gateways that start together should not all begin with the same weight.
      for (const group of newGroups) group.deficit = this.#random() * group.weight * group.size
    })
  }

  changed(backend: Backend): void {
    const candidate = this.#groups.candidates.get(backend)
    candidate?.group.place(candidate)
  }

  retiered(backend: Backend): void {
    this.changed(backend)
  }

  pick({ except, reach }: PickContext): Backend | undefined {
    const group = this.#findGroup(except, reach)
    const chosen = group?.first(except, reach)
    if (!group || !chosen) return undefined
    const total = this.#totalWeight
    // The bound keeps a deficit that comes from another set of backends from counting for ever.
    group.deficit = Math.max(-total, Math.min(total, group.deficit) - total)
    group.moveToEnd(chosen)
    return chosen.backend
  }

  explain({ except, reach }: PickContext): Preview {
    const choice = this.#findGroup(except, reach)?.first(except, reach)?.backend
    const total = this.#totalWeight
    const scores = [...this.#groups.list]
      .sort((a, b) => b.deficit - a.deficit)
      .flatMap((group) => this.#membersOf(group).map((backend) => ({ backend, group })))
      .map(({ backend, group }): CandidateScore => {
        // The total is 0 where no backend can be chosen; no deficit was added then.
        const credit = total === 0 ? 0 : group.deficit / total
        return creditScore(backend, credit, backend === choice)
      })
    for (const group of this.#groups.list) group.deficit = group.deficitBefore
    return { choice, scores }
  }

  /** Returns the backends of a group in the order of their turns; full backends come last. */
  #membersOf(group: TurnGroup): Backend[] {
    const members = group.inTurn
    for (const [backend, candidate] of this.#groups.candidates)
      if (candidate.group === group && candidate.isFull) members.push(backend)
    return members
  }

  /** Returns the group whose turn is next. It adds to the deficit of each group the group's weight in this choice. */
  #findGroup(except: ReadonlySet<Backend> | undefined, reach: Tier): TurnGroup | undefined {
    if (except) this.#countExcluded(except, reach, 1)
    let total = 0
    let best: TurnGroup | undefined
    for (const group of this.#groups.list) {
      const weight = (group.countUpTo(reach) - group.excluded) * group.weight
      group.deficitBefore = group.deficit
      if (weight === 0) continue
      total += weight
      group.deficit += weight
      if (!best || group.deficit > best.deficit) best = group
    }
    this.#totalWeight = total
    if (except) this.#countExcluded(except, reach, -1)
    return best
  }

  /**
   * Adds `change` to the count of excluded backends of each group, for each backend in `except` that could be chosen
   * otherwise.
   */
  #countExcluded(except: ReadonlySet<Backend>, reach: Tier, change: 1 | -1): void {
    for (const backend of except) {
      const candidate = this.#groups.candidates.get(backend)
      if (candidate && !candidate.isFull && candidate.tier <= reach) candidate.group.excluded += change
    }
  }
}

/**
 * Returns the comparison of a backend with the others.
 * @param credit the number of requests that the backends of its weight are behind their share
 */
export function creditScore(backend: Backend, credit: number, isChosen: boolean): CandidateScore {
  return {
    backend,
    score: -credit,
    probability: isChosen ? 1 : 0,
    parts: { credit },
    note: `those of weight ${backend.weight} take turns, and have a credit of ${credit.toFixed(2)} requests`,
  }
}
