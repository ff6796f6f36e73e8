import type { BackendView, PolicyName, PoolView, RegistryEvents } from '../../balancer/index.js'

/** Data of the event `snapshot` of `GET /events`. */
export interface PoolSnapshot {
  /** ISO 8601, by the clock of the gateway. */
  at: string
  pool: PoolView
  /** In order of registration. */
  backends: BackendView[]
}

/** The kinds of changes in a pool. */
export type PoolChangeType = keyof RegistryEvents | 'policy'

/** Data of the event `change` of `GET /events`. */
export interface PoolChange {
  /** ISO 8601, by the clock of the gateway. */
  at: string
  type: PoolChangeType
  /** The backend after the change; null where the pool as a whole changed. */
  backend: BackendView | null
  /** For `cut`: how many requests in flight were cut. */
  requests?: number
  /** For `panic`: whether health is ignored from now on. */
  panic?: boolean
  /** For `policy`: the one from now on. */
  policy?: PolicyName
}
