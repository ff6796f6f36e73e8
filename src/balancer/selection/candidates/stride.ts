/** Requests that a backend may be behind or ahead of its share, at most: no past counts for ever. */
const MAX_DEFICIT = 2

/** What one backend has had of its share. */
export interface Stride {
  /** Virtual time at which the backend had exactly its share. */
  evenAt: number
}

/**
 * Stride scheduling (Waldspurger and Weihl, 1995, https://en.wikipedia.org/wiki/Stride_scheduling): knows how far each
 * backend is behind its share by weight. Each request moves the virtual time of the pool by one request per weight of
 * the pool, and that of the chosen backend by one request per weight of its own. Nothing is done for the others.
 */
export class StrideScheduler {
  #virtualTime = 0

  /** A new backend. @param deficit from 0 to 1, the part of a request that it begins behind its share */
  join(weight: number, deficit = 0): Stride {
    return { evenAt: this.#virtualTime - deficit / weight }
  }

  /** How many requests a backend is behind its share; negative where it is ahead. */
  deficitOf({ evenAt }: Stride, weight: number): number {
    return Math.max(-MAX_DEFICIT, Math.min(MAX_DEFICIT, weight * (this.#virtualTime - evenAt)))
  }

  /** Charges a backend for a request that it gets. @param totalWeight the weight of all backends */
  charge(stride: Stride, weight: number, totalWeight: number): void {
    this.#virtualTime += 1 / totalWeight
    stride.evenAt = this.#virtualTime - (this.deficitOf(stride, weight) - 1) / weight
  }
}
