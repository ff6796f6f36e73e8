import type { Backend } from '../../backends/backend.js'

/**
 * Number of requests in flight below which no backend is full of keys, and no key is so busy that the load of its backend
 * could be its doing. Few requests say little about load: without this, of three backends with four requests one that
 * has three of them would already count as overloaded.
 */
export const UNBOUNDED_REQUESTS = 12

/**
 * The bound on the load of each backend, from "Consistent Hashing with Bounded Loads" (Mirrokni, Thorup and
 * Zadimoghaddam, 2016, https://arxiv.org/abs/1608.01350): with one more request, a backend may have so much more than its
 * part by weight of all requests in flight. So one key with many requests cannot bury its backend.
 */
export class LoadBound {
  readonly #percent: number
  readonly #countsQuietTunnels: boolean
  #requests = 0
  #totalWeight = 0

  /**
   * @param percent of the mean load that a backend may have; 0 for any load
   * @param countsQuietTunnels true if a tunnel without traffic counts like any request
   */
  constructor(percent: number, countsQuietTunnels: boolean) {
    this.#percent = percent
    this.#countsQuietTunnels = countsQuietTunnels
  }

  /** Number of requests that count as the load of a backend. */
  loadOf({ counter }: Backend): number {
    return this.#countsQuietTunnels ? counter.inFlight + counter.countedElsewhere : counter.load
  }

  /** Returns true if a backend may have another request whatever the others have. */
  isBelow(backend: Backend): boolean {
    return this.#percent === 0 || this.loadOf(backend) < UNBOUNDED_REQUESTS
  }

  /** Adds up the load of all backends, for {@link allows}. */
  measure(backends: readonly Backend[]): void {
    this.#requests = 0
    this.#totalWeight = 0
    for (const backend of backends) {
      this.#requests += this.loadOf(backend)
      this.#totalWeight += backend.weight
    }
  }

  /** Returns true if a backend may have another request, by the load at the last measurement. */
  allows(backend: Backend): boolean {
    return this.isBelow(backend) || this.loadOf(backend) < this.limitOf(backend)
  }

  /** Returns the number of requests that a backend may have, by the load at the last measurement. */
  limitOf({ weight }: Backend): number {
    if (this.#percent === 0) return Number.POSITIVE_INFINITY
    const part = ((this.#requests + 1) * weight) / this.#totalWeight
    return Math.max(UNBOUNDED_REQUESTS, Math.ceil((this.#percent / 100) * part))
  }
}
