/**
 * Largest number of requests that a backend may be behind or ahead of its share, so that the past does not count for
 * ever.
 */
const MAX_DEFICIT = 2

/** A record of how much of its share one backend has had. */
export interface Stride {
  /** Virtual time at which the backend had exactly its share. */
  evenAt: number
}

/**
 * Tells how far each backend is behind its share by weight, by stride scheduling (Waldspurger and Weihl, 1995,
 * https://en.wikipedia.org/wiki/Stride_scheduling). Each request advances the virtual time of the pool by one over the
 * total weight, and that of the chosen backend by one over the backend's weight. Other backends need no update.
 */
export class StrideScheduler {
  #virtualTime = 0

  /**
   * Begins the record of a new backend.
   * @param deficit from 0 to 1, the part of a request that the backend begins behind its share
   */
  join(weight: number, deficit = 0): Stride {
    return { evenAt: this.#virtualTime - deficit / weight }
  }

  /** Returns the number of requests that a backend is behind its share; negative where it is ahead. */
  deficitOf({ evenAt }: Stride, weight: number): number {
    return Math.max(-MAX_DEFICIT, Math.min(MAX_DEFICIT, weight * (this.#virtualTime - evenAt)))
  }

  /**
   * Charges a backend for a request that it is given.
   * @param totalWeight the total weight of all backends
   */
  charge(stride: Stride, weight: number, totalWeight: number): void {
    this.#virtualTime += 1 / totalWeight
    stride.evenAt = this.#virtualTime - (this.deficitOf(stride, weight) - 1) / weight
  }
}
