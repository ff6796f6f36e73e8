// Over 200 lines: saves, conflicts and failures, whose order must be read in one place.
import type { Registry } from '../backends/registry.js'
import type { BackendRecord } from '../backends/spec.js'
import { StateNotSavedError, StoreConflictError } from '../errors.js'
import { GuardedEmitter, type ObserverGuard } from '../observer-guard.js'
import type { PolicyName } from '../selection/policies/index.js'
import type { Clock } from '../time/clock.js'
import type { Loaded } from './schema.js'
import { stateOf } from './state-of.js'
import type { BackendStore, PoolState } from './store.js'
import { StoreAccess } from './store-access.js'

/** The part of a pool that its keeper uses. */
export interface KeptPool {
  readonly registry: Registry
  policy: string
  readonly clock: Clock
  readonly observerGuard: ObserverGuard
  /** Tells of another policy that is in force. */
  on(event: 'policy', listener: () => void): unknown
  off(event: 'policy', listener: () => void): unknown
}

export interface StateKeeperEvents {
  /** A save failed, for the first time or for a different reason than the save before. */
  failed: [StateNotSavedError]
  /** Everything is stored again after a failure. */
  recovered: []
}

/** Time from a failed save to the next attempt, unless another change comes before. */
const RETRY_INTERVAL_MS = 5000
/** Largest number of saves in a row that may find that another writer has changed the store. */
const MAX_CONFLICTS = 5

const changes = ['added', 'updated', 'draining', 'activated', 'removed'] as const

/**
 * Keeps the state of a pool in a store. Only one save is under way at a time; all changes made meanwhile go into the
 * next save together.
 */
export class StateKeeper extends GuardedEmitter<StateKeeperEvents> {
  readonly #pool: KeptPool
  readonly #store: BackendStore
  readonly #access: StoreAccess
  #configuredPolicy: PolicyName
  /** The content of the store when it was loaded or saved last. */
  #known: Loaded | undefined
  /** The state that is certainly in the store, as text. */
  #storedText: string | undefined
  /** True if the store has told that another writer changed it. */
  #isOutdated = false
  #stopWatching: (() => void) | undefined
  /** The save that began last, and the next one, which has not read the state of the pool yet. */
  #lastSave: Promise<void> | undefined
  #nextSave: Promise<void> | undefined
  #failure: StateNotSavedError | undefined
  #failures = 0
  #cancelRetry = () => {}
  #closed = false

  /**
   * @param configuredPolicy the policy that the configuration names
   * @param loaded the content of the store when the pool was made; undefined if the store was empty
   */
  constructor(pool: KeptPool, store: BackendStore, configuredPolicy: PolicyName, loaded?: Loaded) {
    super(pool.observerGuard)
    this.#pool = pool
    this.#store = store
    this.#access = new StoreAccess(store, pool.clock)
    this.#configuredPolicy = configuredPolicy
    this.#known = loaded
  }

  /** Number of saves that failed since the start. */
  get failures(): number {
    return this.#failures
  }

  /** The error of the last save if it failed, so that changes are not stored; undefined while everything is stored. */
  get failure(): StateNotSavedError | undefined {
    return this.#failure
  }

  /**
   * Saves the present state, and from then on every change.
   * @throws {StateNotSavedError} where the first save fails; the keeper then gives up
   */
  async start(): Promise<void> {
    for (const event of changes) this.#pool.registry.on(event, this.#save)
    this.#pool.on('policy', this.#save)
    this.#stopWatching = this.#store.watch?.(() => {
      this.#isOutdated = true
      this.#save()
    })
    try {
      await this.saved()
    } catch (error) {
      this.#stop()
      throw error
    }
  }

  /** Takes another configuration: its backends are in the registry already. */
  configured(policy: PolicyName): void {
    this.#configuredPolicy = policy
    this.#save()
  }

  /**
   * Resolves once all changes so far are stored.
   * @throws {StateNotSavedError} where that failed; the changes are in force nevertheless, and the save is tried again
   */
  saved(): Promise<void> {
    this.#nextSave ??= this.#saveAfter(this.#lastSave)
    return this.#nextSave
  }

  /** Saves changes that are not stored yet, if possible in time, and then closes the store. */
  async close(): Promise<void> {
    if (this.#closed) return
    await this.#access.inTime(this.saved()).catch(() => {})
    this.#stop()
    await this.#store.close?.()
  }

  #stop(): void {
    for (const event of changes) this.#pool.registry.off(event, this.#save)
    this.#pool.off('policy', this.#save)
    this.#stopWatching?.()
    this.#closed = true
    this.#cancelRetry()
  }

  /** Saves the state. A failure is announced by an event. */
  readonly #save = (): void => {
    this.saved().catch(() => {})
  }

  async #saveAfter(before: Promise<void> | undefined): Promise<void> {
    await before?.catch(() => {})
    this.#lastSave = this.#nextSave
    this.#nextSave = undefined
    const { name } = this.#store
    if (this.#closed) throw new StateNotSavedError(name, new Error('it is closed'))
    this.#cancelRetry()
    try {
      if (this.#isOutdated) await this.#adopt()
      await this.#write()
    } catch (error) {
      throw this.#failed(new StateNotSavedError(name, error as Error))
    }
    if (!this.#failure) return
    this.#failure = undefined
    this.announce('recovered')
  }

  /** Saves the present state, unless it is stored already. */
  async #write(): Promise<void> {
    for (let conflicts = 0; ; conflicts++) {
      const state = this.#state()
      const text = JSON.stringify(state)
      if (text === this.#storedText) return
      // The content of the store is unknown until the save ends: a save that fails may have been carried out all the
      // same.
      this.#storedText = undefined
      try {
        const revision = await this.#access.save(state, this.#known?.revision)
        this.#known = { state, revision }
        this.#storedText = text
        return
      } catch (error) {
        if (!(error instanceof StoreConflictError) || conflicts === MAX_CONFLICTS) throw error
        await this.#adopt()
      }
    }
  }

  /**
   * Takes over the changes that another writer made: everything in the store that differs from its last known content.
   * Changes made in this pool meanwhile stay, and are stored next.
   */
  async #adopt(): Promise<void> {
    this.#isOutdated = false
    try {
      const loaded = await this.#access.load()
      if (loaded) this.#takeOver(loaded)
    } catch (error) {
      this.#isOutdated = true
      throw error
    }
  }

  #takeOver(loaded: Loaded): void {
    const before = this.#known
    if (before?.revision !== undefined && loaded.revision === before.revision) return
    const isSaved = JSON.stringify(this.#state()) === this.#storedText
    this.#pool.registry.sync('store', recordsOf(loaded.state), before ? recordsOf(before.state) : [])
    const { name } = loaded.state.policy
    if (name !== before?.state.policy.name) this.#pool.policy = name
    // This is set only now, so that content that cannot be taken over is not overwritten either.
    this.#known = loaded
    // A state that was only taken over is not stored again, or else pools with different configurations would answer
    // each other for ever.
    this.#storedText = isSaved ? JSON.stringify(this.#state()) : undefined
  }

  #state(): PoolState {
    return stateOf(this.#pool.registry, this.#pool.policy as PolicyName, this.#configuredPolicy)
  }

  #failed(failure: StateNotSavedError): StateNotSavedError {
    const known = this.#failure?.message === failure.message
    this.#failures++
    this.#failure = failure
    this.#cancelRetry = this.#pool.clock.after(RETRY_INTERVAL_MS, this.#save)
    if (!known) this.announce('failed', failure)
    return failure
  }
}

/** Returns the backends of a stored state, without what the configuration said of them. */
function recordsOf({ backends }: PoolState): BackendRecord[] {
  return backends.map(({ configured, ...backend }) => backend)
}
