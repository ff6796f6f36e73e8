import type { Backend } from '../../backends/backend.js'
import { SharedDeficits } from '../../threads/shared-deficits.js'
import type { PoolTable } from '../../threads/table.js'
import type { ScannedGroup } from '../candidates/scanned-backends.js'
import { ScannedLoads } from '../candidates/scanned-loads.js'
import { loadScore, MAX_DEFICIT } from './least-connections.js'
import type { PickContext, Policy, Preview } from './policy.js'

/**
 * Least connections over all threads that share a pool; see `LeastConnections` for what is compared. Loads, the time of
 * their last change and the deficits of the weights are in shared memory. A choice looks at all backends.
 *
 * The request is counted only if the chosen backend still has as many requests in flight as this choice saw. The
 * deficits are changed after that, so that a choice which another thread forestalled leaves no trace.
 */
export class SharedLeastConnections implements Policy {
  readonly #random: () => number
  readonly #loads: ScannedLoads
  readonly #deficits: SharedDeficits
  #totalWeight = 0
  /** The group of the backend that was found last, and that backend's number of requests in flight. */
  #chosen: ScannedGroup | undefined
  #inFlight = 0

  /** @param isForUpgrades true if a tunnel without traffic counts like any request */
  constructor(random: () => number, table: PoolTable, isForUpgrades = false) {
    this.#random = random
    this.#loads = new ScannedLoads(table, isForUpgrades)
    this.#deficits = new SharedDeficits(table.deficits, isForUpgrades ? 'upgrades' : 'requests')
  }

  update(eligible: readonly Backend[]): void {
    this.#totalWeight = eligible.reduce((sum, { weight }) => sum + weight, 0)
    this.#loads.update(eligible, this.#random)
  }

  retiered(backend: Backend): void {
    this.#loads.retiered(backend)
  }

  pick(context: PickContext): Backend | undefined {
    const i = this.#find(context)
    if (i === -1) return undefined
    context.seen = this.#inFlight
    return this.#loads.list[i]
  }

  counted(): void {
    const { groups } = this.#loads
    // Backends of one weight have no deficit among each other.
    if (groups.length === 1) return
    const total = this.#totalWeight
    const max = MAX_DEFICIT * total
    for (const group of groups) {
      const share = weightOf(group)
      if (group === this.#chosen) this.#deficits.add(group.weight, share - total, -max, max - total)
      else this.#deficits.add(group.weight, share, -max, max)
    }
  }

  explain(context: PickContext): Preview {
    const loads = this.#loads
    const choice = loads.list[this.#find(context)]
    const ranked = loads.groups
      .flatMap((group) => {
        const indexes = Array.from({ length: group.end - group.begin }, (_, i) => group.begin + i)
        return indexes.map((i) => ({ i, group, requests: loads.loadAt(i) }))
      })
      .map((one) => ({ ...one, load: this.#loadWith(one.group, one.requests) }))
      .sort((a, b) => a.load * b.group.weight - b.load * a.group.weight || loads.compareEquals(a.i, b.i))
    const scores = ranked.map(({ i, requests, load }) => {
      const backend = loads.list[i] as Backend
      return loadScore(backend, requests, load, this.#totalWeight, backend === choice)
    })
    return { choice, scores }
  }

  /** Returns the index of the next choice; -1 where there is none. */
  #find({ except, reach }: PickContext): number {
    const loads = this.#loads
    let best = -1
    let bestLoad = 0
    let bestWeight = 1
    for (const group of loads.groups) {
      const i = loads.first(group, except, reach)
      if (i === -1) continue
      const load = this.#loadWith(group, loads.load)
      if (best !== -1) {
        const difference = load * bestWeight - bestLoad * group.weight
        if ((difference || loads.compareEquals(i, best)) >= 0) continue
      }
      best = i
      bestLoad = load
      bestWeight = group.weight
      this.#chosen = group
      this.#inFlight = loads.inFlight
    }
    return best
  }

  /**
   * Returns the load of a backend of a group with one more request than `requests`, less its deficit with this request,
   * times the total weight.
   */
  #loadWith(group: ScannedGroup, requests: number): number {
    const total = this.#totalWeight
    const deficit = this.#deficits.of(group.weight) + weightOf(group)
    return (requests + 1) * total - Math.max(0, Math.min(total - 1, deficit))
  }
}

/** Returns the weight of all backends of a group together. */
function weightOf({ weight, begin, end }: ScannedGroup): number {
  return weight * (end - begin)
}
