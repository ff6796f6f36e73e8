import type { Backend } from '../backend.js'
import type { Policy } from './policy.js'

/** Each backend in turn, whatever its weight and load; full ones are passed over. */
export class RoundRobin implements Policy {
  #eligible: readonly Backend[] = []
  #next: number

  constructor(random: () => number) {
    // Gateways that start together should not all begin with the same backend.
    this.#next = Math.floor(random() * 0x7fffffff)
  }

  update(eligible: readonly Backend[]): void {
    // The turn stays with the backend whose turn it is; where it left, the next one that is still there has it.
    const { length } = this.#eligible
    for (let i = 0; i < length; i++) {
      const backend = this.#eligible[(this.#next + i) % length] as Backend
      const index = eligible.indexOf(backend)
      if (index !== -1) {
        this.#next = index
        break
      }
    }
    this.#eligible = eligible
  }

  pick(): Backend | undefined {
    const { length } = this.#eligible
    for (let i = 0; i < length; i++) {
      const index = (this.#next + i) % length
      const backend = this.#eligible[index] as Backend
      if (!backend.isFull) {
        this.#next = (index + 1) % length
        return backend
      }
    }
    return undefined
  }
}
