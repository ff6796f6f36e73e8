import type { AdminState, HostHeader } from '../backends/spec.js'
import type { PolicyName } from '../selection/policies/index.js'

/** The version of {@link PoolState} that this package reads and writes. */
export const STATE_VERSION = 1

/** What the configuration of a pool says of a backend, defaults of its own filled in. */
export interface ConfiguredBackend {
  /** The origin, as `new URL(url).origin` spells it. */
  url: string
  /** Left out: made from the address. */
  id?: string
  weight: number
  /** Null for no limit; left out: the pool's own limit, whatever that is. */
  maxConnections?: number | null
  hostHeader?: HostHeader
  /** Left out: it is none. */
  backup?: true
  healthPort?: number
  healthHost?: string
}

/** A registered backend. */
export interface BackendState extends ConfiguredBackend {
  id: string
  state: AdminState
  /** ISO 8601. */
  addedAt: string
  /** What the configuration said of it meanwhile; left out for one that the configuration does not name. */
  configured?: ConfiguredBackend
}

/** What a pool has to remember, as plain JSON. Counts and health are not part of it. */
export interface PoolState {
  version: typeof STATE_VERSION
  policy: { name: PolicyName; configured: PolicyName }
  /** In order of registration, without those that leave once they hold no request. */
  backends: BackendState[]
  /** Those that the configuration names and that were removed. */
  removed: ConfiguredBackend[]
}

/** Where the state of one pool is kept. A pool calls one of these at a time. */
export interface BackendStore {
  /** What messages call it. */
  readonly name: string
  /** Undefined where nothing was ever saved. Rejects where what is there cannot be understood. */
  load(): Promise<PoolState | undefined>
  /** Resolves once the state would survive a crash, and replaces what was there as a whole. */
  save(state: PoolState): Promise<void>
  close?(): Promise<void>
}
