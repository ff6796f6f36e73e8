/** The requests that one gateway has in flight in a pool. */
export interface PoolCounts {
  /** Requests in flight by URL of backend; backends without any are left out. */
  readonly inFlight: ReadonlyMap<string, number>
  /**
   * How many of them do not count as load, because they are tunnels without traffic; backends without any are left out.
   */
  readonly quiet: ReadonlyMap<string, number>
}

/** What one other gateway said last of its requests in flight in a pool. Lists, as they are added up often. */
export interface HeardCounts {
  /** Names the other gateway. Unlike its id, this name stays as long as its process runs, and no other ever has it. */
  readonly gateway: string
  /** URLs of backends; may be more than there are counts. */
  readonly urls: readonly string[]
  /** Requests in flight on the backend that is at the same place in `urls`. */
  readonly inFlight: readonly number[]
  /** Pairs of a place, and the number of requests in flight there that do not count as load. */
  readonly quiet: readonly (readonly [number, number])[]
}

/** One pool's part in the exchange of counts. */
export interface CountedPool {
  /** Returns the requests in flight here. */
  counts(): PoolCounts
  /** Takes what another gateway said; it replaces what that gateway said before. */
  heard(counts: HeardCounts): void
  /** A gateway has left, or its lease is over: what it said does not count any more. */
  left(gateway: string): void
}

/** Tells other gateways how many requests are in flight here on each backend of a pool, and hears the same of them. */
export interface CountsExchange {
  /**
   * Takes part from now on. Counts are told when they change, at most five times a second, those of all pools in one
   * message.
   * @returns a function that ends it
   */
  join(pool: CountedPool): () => void
}
