import type { Backend } from '../../backends/backend.js'
import type { PoolTable } from '../../threads/table.js'
import { ScannedTurns } from '../candidates/scanned-turns.js'
import type { CandidateScore, PickContext, Policy, Preview } from './policy.js'

/**
 * Round robin over all threads that share a pool: the backend that was chosen longest ago, by whatever thread. The turn
 * is taken with the choice, so that two threads never have the same one. A choice looks at all backends.
 */
export class SharedRoundRobin implements Policy {
  readonly ignoresWeight = true
  readonly ignoresLoad = true
  readonly #random: () => number
  readonly #turns: ScannedTurns

  constructor(random: () => number, table: PoolTable) {
    this.#random = random
    this.#turns = new ScannedTurns(table, { ignoresWeight: true })
  }

  update(eligible: readonly Backend[]): void {
    this.#turns.update(eligible, this.#random)
  }

  retiered(backend: Backend): void {
    this.#turns.retiered(backend)
  }

  pick({ except, reach }: PickContext): Backend | undefined {
    const turns = this.#turns
    const [all] = turns.groups
    if (!all) return undefined
    for (;;) {
      const i = turns.first(all, except, reach)
      if (i === -1) return undefined
      if (turns.take(i, turns.stamp)) return turns.list[i]
    }
  }

  explain({ except, reach }: PickContext): Preview {
    const turns = this.#turns
    const [all] = turns.groups
    const choice = all && turns.list[turns.first(all, except, reach)]
    const inTurn = [...turns.list.keys()].sort((a, b) => turns.compareTurns(a, b))
    const scores = inTurn.map((i, place): CandidateScore => {
      const backend = turns.list[i] as Backend
      return {
        backend,
        score: place,
        probability: backend === choice ? 1 : 0,
        parts: { turns: place },
        note: place === 0 ? 'its turn' : `its turn comes after ${place} of others`,
      }
    })
    return { choice, scores }
  }
}
