import type { Backend } from '../../backends/backend.js'
import { Openings } from '../openings.js'
import type { Tier } from '../tier.js'
import type { CandidateScore, PickContext, Policy, Preview } from './policy.js'

/** So many turns are looked at one by one; beyond them a search is faster. */
const TURNS_LOOKED_AT = 4

/** Each backend in turn, whatever its weight and load; full ones are passed over. */
export class RoundRobin implements Policy {
  readonly ignoresWeight = true
  readonly ignoresLoad = true
  /** From 0 to 1, who begins: gateways that start together should not all begin with the same backend. */
  readonly #start: number
  #eligible: readonly Backend[] = []
  /** Whose turn it is; undefined before the first pick. */
  #next: number | undefined
  #openings = new Openings([], () => 1)

  constructor(random: () => number) {
    this.#start = random()
  }

  update(eligible: readonly Backend[]): void {
    // The turn stays with the backend whose turn it is; where it left, the next one that is still there has it.
    if (this.#next !== undefined) {
      const turns = [...this.#eligible.slice(this.#next), ...this.#eligible.slice(0, this.#next)]
      const remaining = new Set(eligible)
      const next = turns.find((backend) => remaining.has(backend))
      this.#next = next ? eligible.indexOf(next) : undefined
    }
    this.#eligible = eligible
    this.#openings = new Openings(eligible, () => 1)
  }

  changed(backend: Backend): void {
    if (backend.hasLimit) this.#openings.place(backend)
  }

  retiered(backend: Backend): void {
    this.#openings.place(backend)
  }

  pick({ except, reach }: PickContext): Backend | undefined {
    const index = this.#find(except, reach)
    if (index === undefined) return undefined
    this.#next = (index + 1) % this.#eligible.length
    return this.#eligible[index]
  }

  explain({ except, reach }: PickContext): Preview {
    const { length } = this.#eligible
    const index = this.#find(except, reach)
    const choice = index === undefined ? undefined : this.#eligible[index]
    const scores = this.#eligible.map((_, turns): CandidateScore => {
      const backend = this.#eligible[(this.#turn + turns) % length] as Backend
      return {
        backend,
        score: turns,
        probability: backend === choice ? 1 : 0,
        parts: { turns },
        note: turns === 0 ? 'its turn' : `its turn comes after ${turns} of others`,
      }
    })
    return { choice, scores }
  }

  get #turn(): number {
    return this.#next ?? Math.floor(this.#start * this.#eligible.length)
  }

  /** The index of the first one, from whose turn it is, that may be chosen. */
  #find(except: ReadonlySet<Backend> | undefined, reach: Tier): number | undefined {
    const { length } = this.#eligible
    const turn = this.#turn
    for (let i = 0; i < Math.min(length, TURNS_LOOKED_AT); i++) {
      const index = (turn + i) % length
      const backend = this.#eligible[index] as Backend
      if (backend.takes(reach) && !except?.has(backend)) return index
    }
    return length > TURNS_LOOKED_AT ? this.#search(except, reach, turn) : undefined
  }

  #search(except: ReadonlySet<Backend> | undefined, reach: Tier, turn: number): number | undefined {
    const openings = this.#openings
    openings.withholdAll(except)
    const before = openings.before(turn, reach)
    const total = openings.total(reach)
    // Past the last one the turn is that of the first.
    const index = total === 0 ? undefined : openings.at(before < total ? before : 0, reach)
    openings.placeAll(except)
    return index
  }
}
