import type { Backend } from '../backend.js'
import type { Policy, Preview, Standing } from './policy.js'

/** Each backend in turn, whatever its weight and load; full ones are passed over. */
export class RoundRobin implements Policy {
  readonly ignoresWeight = true
  /** From 0 to 1, who begins: gateways that start together should not all begin with the same backend. */
  readonly #start: number
  #eligible: readonly Backend[] = []
  /** Whose turn it is; undefined before the first pick. */
  #next: number | undefined

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
  }

  pick(_now: number, except?: ReadonlySet<Backend>): Backend | undefined {
    const index = this.#find(except)
    if (index === undefined) return undefined
    this.#next = (index + 1) % this.#eligible.length
    return this.#eligible[index]
  }

  explain(_now: number, except?: ReadonlySet<Backend>): Preview {
    const { length } = this.#eligible
    const index = this.#find(except)
    const choice = index === undefined ? undefined : this.#eligible[index]
    const standings = this.#eligible.map((_, turns): Standing => {
      const backend = this.#eligible[(this.#turn + turns) % length] as Backend
      return {
        backend,
        score: turns,
        probability: backend === choice ? 1 : 0,
        parts: { turns },
        note: turns === 0 ? 'its turn' : `its turn comes after ${turns} of others`,
      }
    })
    return { choice, standings }
  }

  get #turn(): number {
    return this.#next ?? Math.floor(this.#start * this.#eligible.length)
  }

  /** The index of the first one, from whose turn it is, that may be chosen. */
  #find(except: ReadonlySet<Backend> | undefined): number | undefined {
    const { length } = this.#eligible
    const turn = this.#turn
    for (let i = 0; i < length; i++) {
      const index = (turn + i) % length
      const backend = this.#eligible[index] as Backend
      if (!backend.isFull && !except?.has(backend)) return index
    }
    return undefined
  }
}
