import type { Backend } from '../../backends/backend.js'
import { AvailableBackends } from '../candidates/available-backends.js'
import type { CandidateScore, PickContext, Policy, Preview } from './policy.js'

/** Number of turns that are tried one by one; after them, a search in {@link AvailableBackends} is faster. */
const TURNS_LOOKED_AT = 4

/** Chooses each backend in turn, whatever its weight and load. Backends that cannot be chosen are passed over. */
export class RoundRobin implements Policy {
  readonly ignoresWeight = true
  readonly ignoresLoad = true
  /**
   * The place in the list at which turns begin, from 0 to 1; it is random, because gateways that start together should
   * not all begin with the same backend.
   */
  readonly #start: number
  #eligible: readonly Backend[] = []
  /** The index of the backend whose turn is next; undefined before the first pick. */
  #next: number | undefined
  #available = new AvailableBackends([], () => 1)

  constructor(random: () => number) {
    this.#start = random()
  }

  update(eligible: readonly Backend[]): void {
    // The backend whose turn is next keeps its turn. If it left the pool, the next remaining backend in order has the
    // turn.
    if (this.#next !== undefined) {
      const turns = [...this.#eligible.slice(this.#next), ...this.#eligible.slice(0, this.#next)]
      const remaining = new Set(eligible)
      const next = turns.find((backend) => remaining.has(backend))
      this.#next = next ? eligible.indexOf(next) : undefined
    }
    this.#eligible = eligible
    this.#available = new AvailableBackends(eligible, () => 1)
  }

  changed(backend: Backend): void {
    if (backend.hasLimit) this.#available.refresh(backend)
  }

  retiered(backend: Backend): void {
    this.#available.refresh(backend)
  }

  pick(context: PickContext): Backend | undefined {
    const index = this.#find(context)
    if (index === undefined) return undefined
    this.#next = (index + 1) % this.#eligible.length
    return this.#eligible[index]
  }

  explain(context: PickContext): Preview {
    const { length } = this.#eligible
    const index = this.#find(context)
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

  /** The index of the backend whose turn is next. */
  get #turn(): number {
    return this.#next ?? Math.floor(this.#start * this.#eligible.length)
  }

  /** The index of the first backend that can be chosen, beginning with the one whose turn is next. */
  #find(context: PickContext): number | undefined {
    const { except, reach } = context
    const { length } = this.#eligible
    const turn = this.#turn
    for (let i = 0; i < Math.min(length, TURNS_LOOKED_AT); i++) {
      const index = (turn + i) % length
      const backend = this.#eligible[index] as Backend
      if (backend.takes(reach) && !except?.has(backend)) return index
    }
    return length > TURNS_LOOKED_AT ? this.#search(context, turn) : undefined
  }

  #search({ except, reach }: PickContext, turn: number): number | undefined {
    const available = this.#available
    available.excludeAll(except)
    const before = available.weightBefore(turn, reach)
    const total = available.totalWeight(reach)
    // After the last backend it is the first one's turn.
    const index = total === 0 ? undefined : available.indexAt(before < total ? before : 0, reach)
    available.refreshAll(except)
    return index
  }
}
