import type { Outcome } from './outcome.js'

/**
 * Number of steps of a request in which loads are compared, where requests of other gateways count: a power of 2, so
 * that sums and products of loads are exact.
 */
export const LOAD_STEPS = 8

/**
 * Counts the requests of one backend: those in flight, and those so far. A lease book writes the counts, and a choice
 * reads them. With one thread they are plain numbers; threads that share a pool share its numbers as well.
 */
export interface LoadCounter {
  /** Number of requests in flight. */
  readonly inFlight: number
  /** Largest number of requests in flight; Infinity for no limit. With several threads the control plane sets it. */
  slots: number
  /** Number of requests in flight whose connection was upgraded, as for WebSockets. */
  readonly tunnels: number
  /**
   * The load that policies compare: `ownLoad`, requests that a hedge took away, and `countedElsewhere`.
   */
  readonly load: number
  /** Requests in flight, of which tunnels without traffic count only in part. */
  readonly ownLoad: number
  /** Number of requests that a hedge took away and that still count in `load` for a while; see `ResidualLoad`. */
  readonly residual: number
  /** Requests that other gateways have in flight, as they said last: 0 or more, and a fraction while that fades. */
  readonly inFlightElsewhere: number
  /**
   * The part of `load` that stands for the requests of other gateways: 0 or more, in steps of 1 / {@link LOAD_STEPS}; see
   * `LoadElsewhere`.
   */
  readonly countedElsewhere: number
  /** Number of requests that began so far. */
  readonly total: number
  /** Number of requests that ended so far, by outcome. */
  readonly ended: Readonly<Record<Outcome, number>>
  /**
   * Counts a request that begins, unless the limit is reached, or another thread has changed the number of requests in
   * flight since the choice.
   * @param limit largest number of requests in flight
   * @param seen the number of requests in flight that the choice saw; undefined if it did not depend on it
   * @returns the number of requests in flight with this one; 0 if the request was not counted
   */
  claim(limit: number, seen: number | undefined): number
  /** Counts a request that ends. */
  end(outcome: Outcome): void
  /** Changes the number of tunnels, and the number of those without traffic, by these amounts. */
  addTunnels(tunnels: number, quiet: number): void
  /** Changes the weight in `load` of a tunnel without traffic, in percent of the weight of a request. */
  weighTunnels(tunnelWeight: number): void
  /** Adds a request that a hedge took away. */
  addResidual(): void
  /** Sets the number of requests that a hedge took away to 0. */
  clearResidual(): void
  /** Sets `inFlightElsewhere` and `countedElsewhere`. */
  setElsewhere(inFlight: number, counted: number): void
  /** The longest waits for an answer of each thread; undefined where there is one thread. */
  readonly waits: SharedWaits | undefined
}

/** How long answers of one backend are awaited, by the threads that share the pool. */
export interface SharedWaits {
  /**
   * Notes the longest wait of this thread.
   * @param since see `LeaseBook.awaitedSince`
   */
  note(since: number | undefined): void
  /** Returns the longest wait of all threads; see `LeaseBook.awaitedSince`. */
  longest(): number | undefined
}

/**
 * Returns the part of the requests in flight that does not count as load, because their tunnels have no traffic.
 * Policies compare whole requests, so the weight of all quiet tunnels together is rounded down.
 * @param quiet number of tunnels without traffic
 * @param tunnelWeight the weight in `load` of such a tunnel, in percent of the weight of a request
 */
export function reliefOf(quiet: number, tunnelWeight: number): number {
  return quiet - Math.floor((quiet * tunnelWeight) / 100)
}

/** Counts for one thread. */
export class LocalLoadCounter implements LoadCounter {
  slots = Number.POSITIVE_INFINITY
  readonly ended: Record<Outcome, number> = { ok: 0, failed: 0, cancelled: 0, doubtful: 0 }
  #tunnelWeight: number
  #inFlight = 0
  #total = 0
  #tunnels = 0
  #quietTunnels = 0
  #residual = 0
  #inFlightElsewhere = 0
  #countedElsewhere = 0
  readonly waits = undefined
  /** The difference between `inFlight` and `load`. */
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

  get ownLoad(): number {
    return this.#inFlight - reliefOf(this.#quietTunnels, this.#tunnelWeight)
  }

  get residual(): number {
    return this.#residual
  }

  get inFlightElsewhere(): number {
    return this.#inFlightElsewhere
  }

  get countedElsewhere(): number {
    return this.#countedElsewhere
  }

  get total(): number {
    return this.#total
  }

  claim(): number {
    this.#total++
    return ++this.#inFlight
  }

  end(outcome: Outcome): void {
    this.#inFlight--
    this.ended[outcome]++
  }

  addTunnels(tunnels: number, quiet: number): void {
    this.#tunnels += tunnels
    this.#quietTunnels += quiet
    this.#updateRelief()
  }

  weighTunnels(tunnelWeight: number): void {
    this.#tunnelWeight = tunnelWeight
    this.#updateRelief()
  }

  addResidual(): void {
    this.#residual++
    this.#updateRelief()
  }

  clearResidual(): void {
    this.#residual = 0
    this.#updateRelief()
  }

  setElsewhere(inFlight: number, counted: number): void {
    this.#inFlightElsewhere = inFlight
    this.#countedElsewhere = counted
    this.#updateRelief()
  }

  #updateRelief(): void {
    const relief = reliefOf(this.#quietTunnels, this.#tunnelWeight)
    this.#relief = relief - this.#residual - this.#countedElsewhere
  }
}
