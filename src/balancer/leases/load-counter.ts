/**
 * Counts the requests in flight on one backend. A lease book writes the counts, and a choice reads them. With one
 * thread the counts are plain numbers; threads that share backends would need numbers that they share.
 */
export interface LoadCounter {
  /** Number of requests in flight. */
  readonly inFlight: number
  /** Number of requests in flight whose connection was upgraded, as for WebSockets. */
  readonly tunnels: number
  /** The load that policies compare: requests in flight, of which tunnels without traffic count only in part. */
  readonly load: number
  /** A request begins. */
  increment(): void
  /** A request ends. */
  decrement(): void
  /** Changes the number of tunnels, and the number of those without traffic, by these amounts. */
  addTunnels(tunnels: number, quiet: number): void
}

/** Counts for one thread. */
export class LocalLoadCounter implements LoadCounter {
  readonly #tunnelWeight: number
  #inFlight = 0
  #tunnels = 0
  #quietTunnels = 0
  /** The difference between `inFlight` and `load`, which comes from tunnels without traffic. */
  #relief = 0

  /** @param tunnelWeight the weight in `load` of a tunnel without traffic, in percent of the weight of a request */
  constructor(tunnelWeight = 100) {
    this.#tunnelWeight = tunnelWeight
  }

  get inFlight(): number {
    return this.#inFlight
  }

  get tunnels(): number {
    return this.#tunnels
  }

  get load(): number {
    return this.#inFlight - this.#relief
  }

  increment(): void {
    this.#inFlight++
  }

  decrement(): void {
    this.#inFlight--
  }

  addTunnels(tunnels: number, quiet: number): void {
    this.#tunnels += tunnels
    this.#quietTunnels += quiet
    // Policies compare whole requests, so the weight of all quiet tunnels together is rounded down.
    this.#relief = this.#quietTunnels - Math.floor((this.#quietTunnels * this.#tunnelWeight) / 100)
  }
}
