// Over 200 lines: what all keepers have in common, from the first save to the last.
import type { Registry } from '../backends/registry.js'
import { StateNotSavedError } from '../errors.js'
import type { PoolFleet } from '../fleet/pool-fleet.js'
import { GuardedEmitter, type ObserverGuard } from '../observer-guard.js'
import type { PolicyName } from '../selection/policies/index.js'
import type { Clock } from '../time/clock.js'
import type { ChangeCall, PoolChange } from './change.js'
import type { BackendStore } from './store.js'
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
  /** The store is there for the first time, and the pool, which began without it, has what is stored. */
  joined: []
  /** The store had lost the state, and this gateway wrote it again. */
  restored: []
  /** What is stored cannot come into force here, so that the pool keeps what it has; told once for each reason. */
  outOfStep: [Error]
  /** What is stored is in force here again. */
  inStep: []
}

/** Time from a failed save to the next attempt, unless another change comes before. */
const RETRY_INTERVAL_MS = 5000

const changes = ['added', 'updated', 'draining', 'activated', 'removed'] as const

/**
 * Keeps the state of a pool in a store. Only one save is under way at a time; all changes made meanwhile go into the
 * next save together.
 */
export abstract class StateKeeper extends GuardedEmitter<StateKeeperEvents> {
  protected readonly pool: KeptPool
  protected readonly store: BackendStore
  protected readonly access: StoreAccess
  protected configuredPolicy: PolicyName
  /** The work that was begun last. This promise never rejects. */
  #last: Promise<unknown> = Promise.resolve()
  /** The next save, which has not read the state of the pool yet. */
  #nextSave: Promise<void> | undefined
  #failure: StateNotSavedError | undefined
  #failures = 0
  #cancelRetry = () => {}
  #ends: (() => void)[] = []
  #isClosed = false

  /** @param configuredPolicy the policy that the configuration names */
  constructor(pool: KeptPool, store: BackendStore, configuredPolicy: PolicyName) {
    super(pool.observerGuard)
    this.pool = pool
    this.store = store
    this.access = new StoreAccess(store, pool.clock)
    this.configuredPolicy = configuredPolicy
  }

  /** The other gateways that share the store; undefined where no other uses it. */
  get fleet(): PoolFleet | undefined {
    return this.store.fleet
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
   * The reason why what other gateways have stored is not in force here, so that the pool keeps what it has; undefined
   * otherwise, and always where no others share the store.
   */
  get outOfStep(): Error | undefined {
    return undefined
  }

  /** The reason why the pool began without its store; undefined once the store was there. */
  get awayAtStart(): Error | undefined {
    return undefined
  }

  /**
   * Saves the present state, and from then on every change.
   * @throws {StateNotSavedError} where the first save fails; the keeper then gives up
   */
  async start(): Promise<void> {
    this.follow()
    try {
      await this.saved()
    } catch (error) {
      this.#stop()
      throw error
    }
  }

  /** Takes another configuration: its backends are in the registry already. */
  configured(policy: PolicyName): void {
    this.configuredPolicy = policy
    this.saveSoon()
  }

  /**
   * Makes a change of the pool.
   * @returns what `call.answer` has made, as soon as the change is in force and stored
   * @throws {StateNotSavedError} where it could not be stored; the error says what that means
   * @throws what {@link makeChange} throws; nothing has changed then
   */
  abstract change<T>(change: PoolChange, call: ChangeCall<T>): Promise<T>

  /**
   * Resolves once all changes so far are stored.
   * @throws {StateNotSavedError} where that failed; the changes are in force nevertheless, and the save is tried again
   */
  saved(): Promise<void> {
    this.#nextSave ??= this.alone(() => {
      this.#nextSave = undefined
      return this.#attempt()
    })
    return this.#nextSave
  }

  /** Saves changes that are not stored yet, if possible in time, and then closes the store. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    await this.access.inTime(this.saved()).catch(() => {})
    this.#stop()
    await this.store.close?.()
  }

  protected get isClosed(): boolean {
    return this.#isClosed
  }

  /** Brings the store in line with the changes that were made here, and takes over those that others have made. */
  protected abstract save(): Promise<void>

  /** Is called when another writer has changed the store. */
  protected abstract outdated(): void

  /** Saves each change from now on, and takes over what other writers change. */
  protected follow(): void {
    const { registry } = this.pool
    for (const event of changes) {
      registry.on(event, this.saveSoon)
      this.#ends.push(() => registry.off(event, this.saveSoon))
    }
    this.pool.on('policy', this.saveSoon)
    this.#ends.push(() => this.pool.off('policy', this.saveSoon))
    this.endWith(this.store.watch?.(() => this.outdated()))
  }

  /** Notes a function that is called when the keeper stops. */
  protected endWith(end: (() => void) | undefined): void {
    if (end) this.#ends.push(end)
  }

  /** Does one piece of work after the other. */
  protected alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }

  /** Saves the state. A failure is announced by an event. */
  protected readonly saveSoon = (): void => {
    this.saved().catch(() => {})
  }

  /** Saves once more after a while, unless something else leads to a save before. */
  protected retryLater(): void {
    this.#cancelRetry()
    if (!this.#isClosed) this.#cancelRetry = this.pool.clock.after(RETRY_INTERVAL_MS, this.saveSoon)
  }

  async #attempt(): Promise<void> {
    const { name } = this.store
    if (this.#isClosed) throw new StateNotSavedError(name, new Error('it is closed'))
    this.#cancelRetry()
    try {
      await this.save()
    } catch (error) {
      throw this.#failed(new StateNotSavedError(name, error as Error))
    }
    if (!this.#failure) return
    this.#failure = undefined
    this.announce('recovered')
  }

  #failed(failure: StateNotSavedError): StateNotSavedError {
    const isKnown = this.#failure?.message === failure.message
    this.#failures++
    this.#failure = failure
    this.retryLater()
    if (!isKnown) this.announce('failed', failure)
    return failure
  }

  #stop(): void {
    for (const end of this.#ends.splice(0)) end()
    this.#isClosed = true
    this.#cancelRetry()
  }
}
