/** A gateway that shares the store. */
export interface GatewayView {
  id: string
  /** When it was heard of last, in ISO 8601; for this gateway now. */
  lastSeen: string
  /** Requests that it has in flight, in all pools. */
  inFlight: number
  /** True for the gateway that is asked. */
  self: boolean
}

/** Tells which gateways share the store. */
export interface GatewayDirectory {
  /** Id of this gateway. It changes where another gateway has the same id. */
  readonly id: string
  /** The gateways whose lease is not over, this one first, then by id. Answers at once, from what was heard last. */
  list(): GatewayView[]
}
