import type { AdminState, ConfiguredBackend } from '../backends/spec.js'
import type { PoolFleet } from '../fleet/pool-fleet.js'
import type { PolicyName } from '../selection/policies/index.js'

/** The version of {@link PoolState} that this package reads and writes. */
export const STATE_VERSION = 1

/** The stored state of a registered backend. */
export interface BackendState extends ConfiguredBackend {
  id: string
  state: AdminState
  /** The time of registration in ISO 8601. */
  addedAt: string
  /**
   * The configuration of the backend when the state was stored; left out for a backend that the configuration does not
   * name.
   */
  configured?: ConfiguredBackend
}

/** The state of a pool that is stored, as plain JSON. Counts and health are not part of it. */
export interface PoolState {
  version: typeof STATE_VERSION
  policy: { name: PolicyName; configured: PolicyName }
  /** The backends in order of registration, without those that are removed once they have no request in flight. */
  backends: BackendState[]
  /** Backends that the configuration names, but that were removed. */
  removed: ConfiguredBackend[]
}

/**
 * Identifies the content of a store, so that a change by another writer is noticed. Revisions are only compared for
 * equality.
 */
export type StoreRevision = string | number

/** The content of a store with revisions. */
export interface StoredState {
  state: PoolState
  revision: StoreRevision
}

/**
 * The place where the state of one pool is kept. A pool calls only one method at a time. A store without other writers
 * needs no revisions: its `load` resolves to the state alone, and its `save` to nothing.
 */
export interface BackendStore {
  /** The name of the store in messages. */
  readonly name: string
  /**
   * Resolves to the stored state; undefined where nothing was ever saved. Rejects where the content cannot be
   * understood.
   */
  load(): Promise<PoolState | StoredState | undefined>
  /**
   * Replaces the content as a whole, and resolves once the new state would survive a crash.
   * @param expectedRevision the revision that the pool loaded or saved last; undefined where it knows of none
   * @returns the new revision; nothing for a store without revisions
   * @throws {StoreConflictError} where the store has another revision; the pool then loads, merges and saves again
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: stores without revisions resolve to nothing
  save(state: PoolState, expectedRevision?: StoreRevision): Promise<StoreRevision | void>
  /** Calls back when another writer has changed the store. Returns a function that ends the watch. */
  watch?(onChange: () => void): () => void
  /**
   * The other gateways that share the store; undefined where no other uses it. Where there is one, a change is made in
   * the store first and then comes into force, so that all gateways have the same.
   */
  readonly fleet?: PoolFleet
  /** Returns the part of the store that keeps one pool, where the store is for several pools. */
  forPool?(name: string): BackendStore
  close?(): Promise<void>
}
