/** What one other gateway said last of its requests in flight in a pool. */
export interface HeardCounts {
  /** Id of the other gateway. */
  readonly gateway: string
  /** Requests in flight by URL of backend; backends without any are left out. */
  readonly inFlight: ReadonlyMap<string, number>
}

/** One pool's part in the exchange of counts. */
export interface CountedPool {
  /** Returns the requests in flight here by URL of backend; backends without any are left out. */
  inFlight(): ReadonlyMap<string, number>
  /** Takes what another gateway said; it replaces what that gateway said before. */
  heard(counts: HeardCounts): void
  /** A gateway has left, or its lease is over: what it said does not count any more. */
  left(gateway: string): void
}

/** Tells other gateways how many requests are in flight here on each backend of a pool, and hears the same of them. */
export interface CountsExchange {
  /**
   * Takes part from now on. Counts are told when they change, at most five times a second, those of all pools in one message.
   * @returns a function that ends it
   */
  join(pool: CountedPool): () => void
}
