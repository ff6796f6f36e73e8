/**
 * Counts what one backend works on. A lease book writes it, and a choice reads it. Where one thread carries all traffic,
 * it is a few numbers; threads that share backends need one that they share.
 */
export interface LoadCounter {
  /** Requests in flight. */
  readonly inFlight: number
  /** Requests in flight whose connection was upgraded, such as WebSockets. */
  readonly tunnels: number
  /** Requests in flight, where tunnels without traffic count only in part. What policies compare. */
  readonly load: number
  /** A request begins. */
  increment(): void
  /** A request ends. */
  decrement(): void
  /** Adds to the number of tunnels, and to the number of tunnels without traffic; both may be negative. */
  addTunnels(tunnels: number, quiet: number): void
}

/** Counts for one thread. */
export class LocalLoadCounter implements LoadCounter {
  readonly #tunnelWeight: number
  #inFlight = 0
  #tunnels = 0
  #quietTunnels = 0
  /** How much less than `inFlight` the load is, as some tunnels have no traffic. */
  #relief = 0

  /** @param tunnelWeight what a tunnel without traffic counts in `load`, in percent of a request */
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
    // Policies compare whole requests, so that what all quiet tunnels weigh together is rounded down.
    this.#relief = this.#quietTunnels - Math.floor((this.#quietTunnels * this.#tunnelWeight) / 100)
  }
}
