/** The store that gateways share, as one of them sees it. */
export interface StoreView {
  /** Where the store is, without a user and a password. */
  name: string
  /** True while the store does not answer. Traffic goes on, and changes are refused. */
  away: boolean
  /** Since when it has been away, in ISO 8601; null while it answers. */
  awaySince: string | null
}

/** What has changed about the store, or about the gateways that share it. */
export type FleetChange = { untold?: number } & (
  | {
      type: 'store'
      store: StoreView
      /** Why the store is away; null where it is back. */
      reason: string | null
    }
  | { type: 'joined'; id: string }
  | {
      type: 'left'
      id: string
      /** Whether it has said that it ends, or its lease is over. */
      how: 'closed' | 'silent'
    }
  | {
      type: 'renamed'
      /** Id of this gateway from now on. */
      id: string
      /** The id that it was given; another gateway has it where the two differ. */
      wanted: string
    }
  | { type: 'failed'; message: string }
)
