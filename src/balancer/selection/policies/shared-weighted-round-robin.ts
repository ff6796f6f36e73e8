import type { Backend } from '../../backends/backend.js'
import { SharedDeficits } from '../../threads/shared-deficits.js'
import type { PoolTable } from '../../threads/table.js'
import type { ScannedGroup } from '../candidates/scanned-backends.js'
import { ScannedTurns } from '../candidates/scanned-turns.js'
import type { CandidateScore, PickContext, Policy, Preview } from './policy.js'
import { creditScore } from './weighted-round-robin.js'

/** The places of the tiers in the order of turns: a backend that is within a limited share goes before unlimited ones. */
const TIER_PLACES = [1, 0, 2, 3]

/**
 * Weighted round robin over all threads that share a pool; see `WeightedRoundRobin` for the method. The deficits of the
 * weights and the turns of the backends are in shared memory. A choice looks at all backends.
 *
 * The turn is taken with the choice, so that two threads never have the same one. The deficits are changed when the
 * request was counted. Threads that choose at the same moment may choose the same weight, which the next choices make up
 * for.
 */
export class SharedWeightedRoundRobin implements Policy {
  readonly ignoresLoad = true
  readonly #random: () => number
  readonly #turns: ScannedTurns
  readonly #deficits: SharedDeficits
  /** The weight of each group in the latest choice: the total weight of its backends that could be chosen. */
  #shares: number[] = []
  #totalWeight = 0
  /** The group that was chosen last. */
  #chosen: ScannedGroup | undefined
  /** The index of the backend whose turn is next in that group, and its stamp. */
  #next = -1
  #stamp = 0

  constructor(random: () => number, table: PoolTable) {
    this.#random = random
    this.#turns = new ScannedTurns(table, { ignoresWeight: false, tierPlaces: TIER_PLACES })
    this.#deficits = new SharedDeficits(table.deficits, 'requests')
  }

  update(eligible: readonly Backend[]): void {
    const before = this.#turns.groups
    this.#turns.update(eligible, this.#random)
    for (const { weight, begin, end } of this.#turns.groups) {
      if (before.some((group) => group.weight === weight)) continue
      // Gateways that start together should not all begin with the same weight.
      this.#deficits.begin(weight, Math.floor(this.#random() * weight * (end - begin)))
    }
    this.#shares = this.#turns.groups.map(() => 0)
  }

  retiered(backend: Backend): void {
    this.#turns.retiered(backend)
  }

  pick(context: PickContext): Backend | undefined {
    for (;;) {
      this.#find(context)
      if (this.#next === -1) return undefined
      if (this.#turns.take(this.#next, this.#stamp)) return this.#turns.list[this.#next]
    }
  }

  counted(): void {
    const total = this.#totalWeight
    const { groups } = this.#turns
    for (let i = 0; i < groups.length; i++) {
      const group = groups[i] as ScannedGroup
      const share = this.#shares[i] as number
      // The bounds keep a deficit that comes from another set of backends from counting for ever.
      if (group === this.#chosen) this.#deficits.add(group.weight, share - total, -total, 0)
      else if (share > 0) this.#deficits.add(group.weight, share, -total, total)
    }
  }

  explain(context: PickContext): Preview {
    this.#find(context)
    const turns = this.#turns
    const choice = turns.list[this.#next]
    const total = this.#totalWeight
    const scores = turns.groups
      .map((group, i) => ({ group, deficit: this.#deficits.of(group.weight) + (this.#shares[i] as number) }))
      .sort((a, b) => b.deficit - a.deficit)
      .flatMap(({ group, deficit }) => {
        // The total is 0 where no backend can be chosen; no deficit was added then.
        const credit = total === 0 ? 0 : deficit / total
        return this.#inTurn(group).map(
          (backend): CandidateScore => creditScore(backend, credit, backend === choice),
        )
      })
    return { choice, scores }
  }

  /** Finds the group whose turn is next, and the backend whose turn is next in it. */
  #find({ except, reach }: PickContext): void {
    const turns = this.#turns
    let total = 0
    let most = 0
    this.#chosen = undefined
    this.#next = -1
    for (let i = 0; i < turns.groups.length; i++) {
      const group = turns.groups[i] as ScannedGroup
      const first = turns.first(group, except, reach)
      const share = turns.available * group.weight
      this.#shares[i] = share
      if (share === 0) continue
      total += share
      const deficit = this.#deficits.of(group.weight) + share
      if (this.#chosen && deficit <= most) continue
      most = deficit
      this.#chosen = group
      this.#next = first
      this.#stamp = turns.stamp
    }
    this.#totalWeight = total
  }

  #inTurn({ begin, end }: ScannedGroup): Backend[] {
    const turns = this.#turns
    const indexes = Array.from({ length: end - begin }, (_, i) => begin + i)
    indexes.sort((a, b) => turns.compareTurns(a, b))
    return indexes.map((i) => turns.list[i] as Backend)
  }
}
