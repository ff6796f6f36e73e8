// Over 200 lines: the order in which saves, conflicts and failures follow each other is told in one place.
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
  /** Another policy is in force. */
  on(event: 'policy', listener: () => void): unknown
  off(event: 'policy', listener: () => void): unknown
}

export interface StateKeeperEvents {
  /** A save failed, for the first time or for another reason than the one before. */
  failed: [StateNotSavedError]
  /** All is stored again. */
  recovered: []
}

/** From a save that failed to the next try, unless there is another change before. */
const RETRY_INTERVAL_MS = 5000
/** Number of saves in a row that may find that another writer has changed the store. */
const MAX_CONFLICTS = 5

const changes = ['added', 'updated', 'draining', 'activated', 'removed'] as const

/**
 * Keeps the state of a pool in a store. One save is under way at a time; what changes meanwhile goes into the next
 * one, all of it together.
 */
export class StateKeeper extends GuardedEmitter<StateKeeperEvents> {
  readonly #pool: KeptPool
  readonly #store: BackendStore
  readonly #access: StoreAccess
  readonly #configuredPolicy: PolicyName
  /** The content of the store when it was loaded or saved last. */
  #known: Loaded | undefined
  /** The state that is certainly in the store, as text. */
  #storedText: string | undefined
  /** Whether the store says that another writer has changed it. */
  #isOutdated = false
  #stopWatching: (() => void) | undefined
  /** The save that began last, and the next one, which has not looked at the pool yet. */
  #lastSave: Promise<void> | undefined
  #nextSave: Promise<void> | undefined
  #failure: StateNotSavedError | undefined
  #failures = 0
  #cancelRetry = () => {}
  #closed = false

  /**
   * @param configuredPolicy the policy that the configuration names
   * @param loaded what the store held when the pool was made
   */
  constructor(pool: KeptPool, store: BackendStore, configuredPolicy: PolicyName, loaded?: Loaded) {
    super(pool.observerGuard)
    this.#pool = pool
    this.#store = store
    this.#access = new StoreAccess(store, pool.clock)
    this.#configuredPolicy = configuredPolicy
    this.#known = loaded
  }

  /** Saves that failed since the start. */
  get failures(): number {
    return this.#failures
  }

  /** Why there is something that is not stored; undefined while all is well. */
  get failure(): StateNotSavedError | undefined {
    return this.#failure
  }

  /** Saves what there is, and from then on every change. @throws {StateNotSavedError} and gives up */
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

  /**
   * Resolves once everything that was changed so far is stored.
   * @throws {StateNotSavedError} where that failed: the changes are in force nevertheless, and are tried again
   */
  saved(): Promise<void> {
    this.#nextSave ??= this.#saveAfter(this.#lastSave)
    return this.#nextSave
  }

  /** Lets what is not stored be stored, if it can be, and lets go of the store. */
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

  /** Whether it fails is told by an event. */
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

  /** Saves what there is, unless it is stored already. */
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
   * Takes over what somebody else has stored: all that differs from what was known to be in the store. What changed here
   * in the meantime stays, and is stored next.
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
    // Only now, so that what cannot be taken over is not overwritten either.
    this.#known = loaded
    // What was only taken over is not stored again: pools whose configurations differ would answer each other for ever.
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

/** The backends of a stored state, as the store says that they are. */
function recordsOf({ backends }: PoolState): BackendRecord[] {
  return backends.map(({ configured, ...backend }) => backend)
}
