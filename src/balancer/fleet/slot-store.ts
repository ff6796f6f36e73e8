/** What a gateway asks of the slots of one backend. */
export interface SlotRequest {
  /** URL of the backend. */
  readonly url: string
  /** Largest number of slots of all gateways together: the backend's `maxConnections`. */
  readonly limit: number
  /** The slots that this gateway has, and may not have fewer of because requests are in flight on them. */
  readonly held: number
  /** The slots that it would like to have, `held` included. */
  readonly wanted: number
}

/** What a gateway may use of the slots of one backend from now on. */
export interface SlotGrant {
  readonly url: string
  /** Number of slots. */
  readonly slots: number
  /** True if another gateway has had to go without, so that slots which are not needed should be given back soon. */
  readonly isShort: boolean
}

/** Hands out slots of backends to gateways, so that all of them together keep to a backend's limit. */
export interface SlotStore {
  /** Asks for the slots of several backends in one atomic step. Rejects where the store is away. */
  lease(requests: readonly SlotRequest[]): Promise<SlotGrant[]>
  /** Calls back when another gateway lacks slots of a backend. Returns a function that ends the calls. */
  onShort(listener: (url: string) => void): () => void
}
