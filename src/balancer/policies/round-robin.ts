import type { Backend } from '../backend.js'
import type { Policy } from './policy.js'

/** Each backend in turn, whatever its weight and load; full ones are passed over. */
export class RoundRobin implements Policy {
  readonly ignoresWeight = true
  readonly #random: () => number
  #eligible: readonly Backend[] = []
  /** Whose turn it is; undefined before the first pick. */
  #next: number | undefined

  constructor(random: () => number) {
    this.#random = random
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
    const { length } = this.#eligible
    // Gateways that start together should not all begin with the same backend.
    this.#next ??= Math.floor(this.#random() * length)
    for (let i = 0; i < length; i++) {
      const index = (this.#next + i) % length
      const backend = this.#eligible[index] as Backend
      if (!backend.isFull && !except?.has(backend)) {
        this.#next = (index + 1) % length
        return backend
      }
    }
    return undefined
  }
}
