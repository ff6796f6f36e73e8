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
  /** What was asked for last of the state of the backend; left out where several gateways do not share the store. */
  asked?: Asked
}

/** A drain, an activation or a removal, with what other gateways need to carry it out in the same way. */
export interface Asked {
  /** The time of the call in ISO 8601; another time means another call. */
  at: string
  /** Milliseconds that requests in flight may take; left out for the time of the gateway that carries it out. */
  timeout?: number
}

/** A backend that was removed a short time ago. */
export interface Removal extends Asked {
  url: string
  /** True if requests in flight are cut at once. */
  force?: true
}

/** The state of a pool that is stored, as plain JSON. Counts and health are not part of it. */
export interface PoolState {
  version: typeof STATE_VERSION
  policy: { name: PolicyName; configured: PolicyName }
  /** The backends in order of registration, without those that are removed once they have no request in flight. */
  backends: BackendState[]
  /** Backends that the configuration names, but that were removed. */
  removed: ConfiguredBackend[]
  /** Backends that were removed a short time ago; left out where several gateways do not share the store. */
  removals?: Removal[]
}

/**
 * Identifies the content of a store, so that a change by another writer is noticed. Revisions are only compared for
 * equality, except for those of a store with {@link BackendStore.restore}, see {@link isOlder}.
 */
export type StoreRevision = string | number

/** What became of a state that was written again. */
export interface Restored {
  /** True if this call has written the state; false where the store had the same or a newer revision. */
  isWritten: boolean
  /** The revision that the store has now. */
  revision: StoreRevision
}

/**
 * Compares two revisions of a store with {@link BackendStore.restore}. They are `NUMBER-RANDOM`: the number grows by one
 * with each save, and the random part tells apart what was saved to two stores with the same history.
 * @returns true if the first has the smaller number; a revision of another form is older than any of this form
 */
export function isOlder(revision: StoreRevision, than: StoreRevision): boolean {
  return revisionNumber(revision) < revisionNumber(than)
}

/**
 * Compares where two revisions of a store with {@link BackendStore.restore} come from. The random part may begin with 12
 * characters that are new with the first save to an empty store, and stay with each save after it.
 * @returns true if none of them can have come from the other, because they began on an empty store each
 */
export function isOtherHistory(revision: StoreRevision, than: StoreRevision): boolean {
  const [one, other] = [historyOf(revision), historyOf(than)]
  return one !== undefined && other !== undefined && one !== other
}

/** Returns the part of a revision that all saves since an empty store have in common; undefined for one without it. */
export function historyOf(revision: StoreRevision): string | undefined {
  return /^\d{1,15}-(\w{12})\w{12}$/.exec(String(revision))?.[1]
}

/** Returns the number of a revision `NUMBER-RANDOM`; -1 for a revision of another form. */
function revisionNumber(revision: StoreRevision): number {
  return Number(/^(\d{1,15})-/.exec(String(revision))?.[1] ?? -1)
}

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
   * @throws {StoreOutcomeError} where the store did not answer, so that it may have the new state. By then the time is
   *   over in which it would still carry out the save: what is loaded later shows whether it did
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: stores without revisions resolve to nothing
  save(state: PoolState, expectedRevision?: StoreRevision): Promise<StoreRevision | void>
  /**
   * Calls back when another writer has changed the store, and also where the store was emptied or came back with an older
   * revision. Returns a function that ends the watch.
   */
  watch?(onChange: () => void): () => void
  /**
   * Writes a state again, with the revision that it had, where the store has lost it: only if the store has nothing or
   * an older revision (see {@link isOlder}). Of several gateways that do so at once, one has `isWritten`.
   * @param revision the revision that was loaded or saved together with the state
   */
  restore?(state: PoolState, revision: StoreRevision): Promise<Restored>
  /**
   * True while the store is known not to answer: all that is asked of it is then refused at once. Left out by a store
   * that is always there.
   */
  readonly isAway?: boolean
  /**
   * Calls back with the reason when the store is away, and with nothing when it answers, for the first time or again. A
   * change that was missed meanwhile is told by {@link watch} afterwards. Returns a function that ends the calls.
   */
  onPresence?(listener: (away?: Error) => void): () => void
  /**
   * The other gateways that share the store; undefined where no other uses it. Where there is one, a change is made in
   * the store first and then comes into force, so that all gateways have the same.
   */
  readonly fleet?: PoolFleet | undefined
  /** Returns the part of the store that keeps one pool, where the store is for several pools. */
  forPool?(name: string): BackendStore
  close?(): Promise<void>
}
