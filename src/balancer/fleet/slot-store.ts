/** What a gateway asks of the slots of one backend. */
export interface SlotRequest {
  /** URL of the backend. */
  readonly url: string
  /** Largest number of slots of all gateways together: the backend's `maxConnections`. */
  readonly limit: number
  /** This gateway uses no more slots than these while it waits for the answer. */
  readonly held: number
  /** The slots that it needs for the requests in flight and those that wait; at most `limit`. */
  readonly needed: number
  /** The slots that it would like to have where nobody else needs them; from `needed` to `limit`. */
  readonly wanted: number
}

/** What a gateway may use of the slots of one backend from now on. */
export interface SlotGrant {
  readonly url: string
  /** Number of slots that this gateway has: `held`, or more. */
  readonly slots: number
  /**
   * Number of slots to which it should come down as its requests end, because others need them: from 0 to `slots`.
   */
  readonly share: number
}

/** Hands out slots of backends to gateways, so that all of them together keep to a backend's limit. */
export interface SlotStore {
  /** True while the store is known not to answer. */
  readonly isAway: boolean
  /**
   * Asks for the slots of several backends in one atomic step. What is granted is leased for 5 s, and each call renews
   * all that this gateway has. Rejects where it is not known what the store has done, or that it has done nothing.
   */
  lease(requests: readonly SlotRequest[]): Promise<SlotGrant[]>
  /**
   * Calls back when it is worth asking for backends again, because another gateway needs their slots or has given some
   * back; without URLs for all backends. Returns a function that ends the calls.
   */
  onNews(listener: (urls?: readonly string[]) => void): () => void
}
