import type { AdminState, ConfiguredBackend } from '../backends/spec.js'
import type { PolicyName } from '../selection/policies/index.js'

/** The version of {@link PoolState} that this package reads and writes. */
export const STATE_VERSION = 1

/** A registered backend. */
export interface BackendState extends ConfiguredBackend {
  id: string
  state: AdminState
  /** ISO 8601. */
  addedAt: string
  /** What the configuration said of it meanwhile; left out for one that the configuration does not name. */
  configured?: ConfiguredBackend
}

/** The state of a pool that is stored, as plain JSON. Counts and health are not part of it. */
export interface PoolState {
  version: typeof STATE_VERSION
  policy: { name: PolicyName; configured: PolicyName }
  /** In order of registration, without those that leave once they hold no request. */
  backends: BackendState[]
  /** Backends that the configuration names and that were removed. */
  removed: ConfiguredBackend[]
}

/** Names what a store holds, so that a change by somebody else is noticed. Revisions are only compared for equality. */
export type StoreRevision = string | number

/** The content of a store with revisions. */
export interface StoredState {
  state: PoolState
  revision: StoreRevision
}

/**
 * Where the state of one pool is kept. A pool calls one of these at a time. A store that nobody else writes needs no
 * revisions: its `load` resolves to the state alone, and its `save` to nothing.
 */
export interface BackendStore {
  /** The name of the store in messages. */
  readonly name: string
  /** Undefined where nothing was ever saved. Rejects where what is there cannot be understood. */
  load(): Promise<PoolState | StoredState | undefined>
  /**
   * Resolves once the state would survive a crash, and replaces what was there as a whole.
   * @param expectedRevision the one that the pool loaded or saved last; undefined where it knows of none
   * @returns the new revision, where the store has any
   * @throws {StoreConflictError} where the store holds another revision, and may be loaded, merged and saved again
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: stores without revisions resolve to nothing
  save(state: PoolState, expectedRevision?: StoreRevision): Promise<StoreRevision | void>
  /** Calls back when another writer has changed the store. Returns a function that ends the watch. */
  watch?(onChange: () => void): () => void
  close?(): Promise<void>
}
