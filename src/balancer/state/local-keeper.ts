import type { BackendRecord } from '../backends/spec.js'
import { StoreConflictError } from '../errors.js'
import type { PolicyName } from '../selection/policies/index.js'
import { type ChangeCall, makeChange, type PoolChange } from './change.js'
import { type KeptPool, StateKeeper } from './keeper.js'
import type { Loaded } from './schema.js'
import { stateOf } from './state-of.js'
import type { BackendStore, PoolState } from './store.js'

/** Largest number of saves in a row that may find that another writer has changed the store. */
const MAX_CONFLICTS = 5

/**
 * Keeps the state of a pool in a store of its own. A change comes into force at once and is stored afterwards, so that
 * it can be made while the store cannot be written.
 */
export class LocalKeeper extends StateKeeper {
  /** The content of the store when it was loaded or saved last. */
  #known: Loaded | undefined
  /** The state that is certainly in the store, as text. */
  #storedText: string | undefined
  /** True if the store has told that another writer changed it. */
  #isOutdated = false

  /**
   * @param configuredPolicy the policy that the configuration names
   * @param loaded the content of the store when the pool was made; undefined if the store was empty
   */
  constructor(pool: KeptPool, store: BackendStore, configuredPolicy: PolicyName, loaded?: Loaded) {
    super(pool, store, configuredPolicy)
    this.#known = loaded
  }

  async change<T>(change: PoolChange, { check, answer }: ChangeCall<T>): Promise<T> {
    const answered = answer(makeChange(this.pool, change, check))
    await this.saved()
    return answered
  }

  protected outdated(): void {
    this.#isOutdated = true
    this.saveSoon()
  }

  /** Saves the present state, unless it is stored already. */
  protected async save(): Promise<void> {
    if (this.#isOutdated) await this.#adopt()
    for (let conflicts = 0; ; conflicts++) {
      const state = this.#state()
      const text = JSON.stringify(state)
      if (text === this.#storedText) return
      // The content of the store is unknown until the save ends: a save that fails may have been carried out all the
      // same.
      this.#storedText = undefined
      try {
        const revision = await this.access.save(state, this.#known?.revision)
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
      const loaded = await this.access.load()
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
    this.pool.registry.sync('store', recordsOf(loaded.state), before ? recordsOf(before.state) : [])
    const { name } = loaded.state.policy
    if (name !== before?.state.policy.name) this.pool.policy = name
    // This is set only now, so that content that cannot be taken over is not overwritten either.
    this.#known = loaded
    // A state that was only taken over is not stored again, or else pools with different configurations would answer
    // each other for ever.
    this.#storedText = isSaved ? JSON.stringify(this.#state()) : undefined
  }

  #state(): PoolState {
    return stateOf(this.pool.registry, this.pool.policy as PolicyName, this.configuredPolicy)
  }
}

/** Returns the backends of a stored state, without what the configuration said of them. */
function recordsOf({ backends }: PoolState): BackendRecord[] {
  return backends.map(({ configured, ...backend }) => backend)
}
