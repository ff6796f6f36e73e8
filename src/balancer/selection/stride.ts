/** How many requests' worth of share anybody may be behind or ahead, so that no past weighs for ever. */
const MEMORY = 2

/** What one backend has had of its share: how far {@link Dues} had come when it was last even. */
export interface Account {
  evenAt: number
}

/**
 * How much of their share by weight backends are owed, as in stride scheduling
 * (https://en.wikipedia.org/wiki/Stride_scheduling): the pool's time moves by one share with each request, and
 * a backend's by what one request is of its own. Nothing has to be done for those that are not chosen.
 */
export class Dues {
  #time = 0

  /** An account that is even. @param phase from 0 to 1, of a request that it is owed */
  open(weight: number, phase = 0): Account {
    return { evenAt: this.#time - phase / weight }
  }

  /** Requests that a backend is owed; negative where it is ahead. */
  owed({ evenAt }: Account, weight: number): number {
    return Math.max(-MEMORY, Math.min(MEMORY, weight * (this.#time - evenAt)))
  }

  /** A backend gets a request. @param totalWeight of all that share */
  pay(account: Account, weight: number, totalWeight: number): void {
    this.#time += 1 / totalWeight
    account.evenAt = this.#time - (this.owed(account, weight) - 1) / weight
  }
}
