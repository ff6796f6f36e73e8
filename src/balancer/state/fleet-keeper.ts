// Over 200 lines: from the request of a change to its answer, with every way in which it may fail.
import type { Backend } from '../backends/backend.js'
import { StateNotSavedError, StoreConflictError, StoreOutcomeError } from '../errors.js'
import type { CompleteOptions } from '../options.js'
import type { PolicyName } from '../selection/policies/index.js'
import { type ChangeCall, makeChange, type PoolChange } from './change.js'
import { type ChangePlan, planChange, type RequestedChange } from './change-plan.js'
import { type KeptPool, StateKeeper } from './keeper.js'
import { contentOf, type PoolContent } from './pool-content.js'
import type { Loaded } from './schema.js'
import { plain } from './state-of.js'
import type { BackendStore } from './store.js'
import { StoreLateError } from './store-access.js'
import { StoreFollower } from './store-follower.js'
import { configurationIn, type StoredConfiguration, TrialPool } from './trial-pool.js'

/** How often a save is tried again in a row because another gateway was faster. */
const MAX_CONFLICTS = 50

/**
 * Keeps the state of a pool in a store that several gateways share. A change that is asked for is stored first and then
 * comes into force, so that all gateways have the same. A change that code makes in the registry is in force at once,
 * and is stored afterwards. Others' changes come into force as soon as they are heard of.
 */
export class FleetKeeper extends StateKeeper {
  readonly #options: CompleteOptions
  readonly #follower: StoreFollower
  /** Stands for the present configuration; replaced when that changes. */
  #configuration = {}
  /** Stands for the configuration that is stored; undefined where that of another start or another gateway is. */
  #storedConfiguration: object | undefined

  /**
   * @param options of the pool, for trials of changes
   * @param loaded the content of the store when the pool was made; undefined if the store was empty, and the error if it
   *   was away
   */
  constructor(
    pool: KeptPool,
    store: BackendStore,
    configuredPolicy: PolicyName,
    options: CompleteOptions,
    loaded: Loaded | Error | undefined,
  ) {
    super(pool, store, configuredPolicy)
    this.#options = options
    this.#follower = new StoreFollower(pool, store, this.access, loaded, {
      contentAtStart: ({ state }) => {
        this.#storedConfiguration = undefined
        return this.#contentAtStart(state)
      },
      joined: () => this.announce('joined'),
      restored: () => this.announce('restored'),
      outOfStep: (error) => this.announce('outOfStep', error),
      inStep: () => this.announce('inStep'),
    })
  }

  override get outOfStep(): Error | undefined {
    return this.#follower.outOfStep
  }

  override get awayAtStart(): Error | undefined {
    return this.#follower.awayAtStart
  }

  /** Takes part from now on. Only the content of the store can stop a start, and that was read before. */
  override async start(): Promise<void> {
    this.follow()
    this.endWith(this.store.onPresence?.((away) => away === undefined && this.outdated()))
    await this.saved().catch(() => {})
  }

  override configured(policy: PolicyName): void {
    this.#configuration = {}
    super.configured(policy)
  }

  async change<T>(change: PoolChange, { check, answer }: ChangeCall<T>): Promise<T> {
    // Nobody waits for what is under way, as the store would not be asked afterwards either.
    this.#refuseWhileAway()
    return await this.alone(async () => {
      this.#refuseWhileAway()
      let refusal: unknown
      const plan = () => {
        try {
          return this.#plan({ change, check })
        } catch (error) {
          refusal = error
          throw error
        }
      }
      let written: Written
      try {
        written = await this.#write(plan, true)
      } catch (error) {
        if (error === refusal) throw error
        this.saveSoon()
        throw new StateNotSavedError(this.store.name, error as Error, effectOf(error))
      }
      // What changes nothing that is stored, such as an update of a backend that leaves, is done here alone.
      return answer(written.isNew ? written.backend : makeChange(this.pool, change))
    })
  }

  protected outdated(): void {
    this.#follower.isOutdated = true
    this.saveSoon()
  }

  protected async save(): Promise<void> {
    const follower = this.#follower
    const isConfigurationStored = this.#storedConfiguration === this.#configuration
    if (!follower.isOutdated && isConfigurationStored && !follower.hasChanges) return
    try {
      await this.#write(() => this.#plan(), false)
    } catch (error) {
      if (follower.hasChanges) throw error
      // Nothing is lost: what is stored is looked at again later.
      this.retryLater()
    }
  }

  /**
   * Writes what was planned to the store and brings it into force, and plans again where another gateway was faster.
   * @param isAsked true for a change that somebody has asked for, which is refused only by what the store has now
   * @throws what `plan` and the store throw; nothing has changed here then
   */
  async #write(plan: () => ChangePlan, isAsked: boolean): Promise<Written> {
    for (let conflicts = 0; ; conflicts++) {
      const configuration = this.#configuration
      const { state, present, isNew, id } = await this.#planFresh(plan, isAsked)
      const backend = this.#find(id)
      if (!isNew) {
        this.#storedConfiguration = configuration
        return { isNew, backend }
      }
      let revision: Loaded['revision']
      try {
        revision = await this.access.save(state, this.#follower.known?.revision)
      } catch (error) {
        this.#follower.isOutdated = true
        if (!(error instanceof StoreConflictError) || conflicts === MAX_CONFLICTS) throw error
        continue
      }
      this.#storedConfiguration = configuration
      this.#follower.takeOver({ state, revision }, present)
      // A backend that was removed may be gone by now.
      return { isNew, backend: this.#find(id) ?? backend }
    }
  }

  /** Plans by what is known; a call that would be refused, or would change nothing, by what the store has now. */
  async #planFresh(plan: () => ChangePlan, isAsked: boolean): Promise<ChangePlan> {
    const isFresh = (await this.#follower.catchUp()) || !isAsked
    try {
      const planned = plan()
      if (planned.isNew || isFresh) return planned
    } catch (error) {
      if (isFresh) throw error
    }
    this.#follower.isOutdated = true
    await this.#follower.catchUp()
    return plan()
  }

  #plan(requested?: RequestedChange): ChangePlan {
    const known = this.#follower.known?.state
    const isStored = this.#storedConfiguration === this.#configuration
    const configuration = known && isStored ? configurationIn(known) : this.#ownConfiguration()
    return planChange(this.pool, this.#options, known, configuration, requested)
  }

  /** What is stored counts where the configuration says the same as when it was stored. */
  #contentAtStart(state: Loaded['state']): PoolContent {
    const { observerGuard } = this.pool
    const trial = TrialPool.restored(this.#options, observerGuard, this.#ownConfiguration(), state)
    try {
      return contentOf(trial)
    } finally {
      trial.close()
    }
  }

  #ownConfiguration(): StoredConfiguration {
    return { policy: this.configuredPolicy, backends: this.pool.registry.entriesOf('config').map(plain) }
  }

  #find(id: string | undefined): Backend | undefined {
    return this.pool.registry.list().find((backend) => backend.id === id)
  }

  #refuseWhileAway(): void {
    const { isAway, name } = this.store
    if (!isAway && !this.isClosed) return
    const why = this.isClosed ? 'it is closed' : 'it does not answer'
    throw new StateNotSavedError(name, new Error(why), 'nothing')
  }
}

interface Written {
  /** False if the store had it already, so that nothing was done. */
  isNew: boolean
  /** The backend that was changed; undefined where there is none. */
  backend: Backend | undefined
}

function effectOf(error: unknown): StateNotSavedError['effect'] {
  return error instanceof StoreOutcomeError || error instanceof StoreLateError ? 'unknown' : 'nothing'
}
