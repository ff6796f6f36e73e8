import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import { StateNotSavedError } from '../errors.js'
import { GuardedEmitter, type ObserverGuard } from '../observer-guard.js'
import type { PolicyName } from '../selection/policies/index.js'
import type { Clock } from '../time/clock.js'
import type { Configuration } from './merge.js'
import { type BackendState, type BackendStore, type PoolState, STATE_VERSION } from './store.js'

/** What a keeper has to know of the pool whose state it keeps. */
export interface KeptPool {
  readonly registry: Registry
  readonly policy: PolicyName
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

/** Milliseconds from a save that failed to the next try, unless there is another change before. */
const RETRY = 5000
/** Milliseconds that a save may take before it counts as failed. Storage that hangs tells nothing. */
const PATIENCE = 10_000

const changes = ['added', 'updated', 'draining', 'activated', 'removed'] as const

/**
 * Keeps the state of a pool in a store. One save is under way at a time; what changes meanwhile goes into the next
 * one, all of it together.
 */
export class StateKeeper extends GuardedEmitter<StateKeeperEvents> {
  readonly #pool: KeptPool
  readonly #store: BackendStore
  readonly #configuration: Configuration
  /** What is known to be in the store. */
  #stored: string | undefined
  /** The last save that was begun. */
  #begun: Promise<void> | undefined
  /** What the store is at, which may take longer than anybody waits for it. It does not reject. */
  #writing: Promise<unknown> = Promise.resolve()
  /** The next one, which has not looked at the pool yet. */
  #next: Promise<void> | undefined
  #failure: StateNotSavedError | undefined
  #failures = 0
  #cancelRetry = () => {}
  #closed = false

  constructor(pool: KeptPool, store: BackendStore, configuration: Configuration) {
    super(pool.observerGuard)
    this.#pool = pool
    this.#store = store
    this.#configuration = configuration
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
    this.#next ??= this.#after(this.#begun)
    return this.#next
  }

  /** Lets what is not stored be stored, if it can be, and lets go of the store. */
  async close(): Promise<void> {
    if (this.#closed) return
    await this.#inTime(this.saved()).catch(() => {})
    this.#stop()
    await this.#store.close?.()
  }

  #stop(): void {
    for (const event of changes) this.#pool.registry.off(event, this.#save)
    this.#pool.off('policy', this.#save)
    this.#closed = true
    this.#cancelRetry()
  }

  /** Whether it fails is told by an event. */
  readonly #save = (): void => {
    this.saved().catch(() => {})
  }

  async #after(before: Promise<void> | undefined): Promise<void> {
    await before?.catch(() => {})
    this.#begun = this.#next
    this.#next = undefined
    const { name } = this.#store
    if (this.#closed) throw new StateNotSavedError(name, new Error('it is closed'))
    this.#cancelRetry()
    const state = this.#state()
    const text = JSON.stringify(state)
    if (text === this.#stored) return
    // Until it is known better: a save that fails may have been done all the same.
    this.#stored = undefined
    try {
      await this.#write(state)
    } catch (error) {
      throw this.#failed(new StateNotSavedError(name, error as Error))
    }
    this.#stored = text
    if (!this.#failure) return
    this.#failure = undefined
    this.announce('recovered')
  }

  async #write(state: PoolState): Promise<void> {
    // One at a time: of two the older might be done last.
    await this.#inTime(this.#writing)
    const writing = this.#store.save(state)
    this.#writing = writing.catch(() => {})
    await this.#inTime(writing)
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = new Error(`it takes longer than ${PATIENCE / 1000} seconds`)
      const cancel = this.#pool.clock.after(PATIENCE, () => reject(late))
      work.then(resolve, reject).finally(cancel)
    })
  }

  #failed(failure: StateNotSavedError): StateNotSavedError {
    const known = this.#failure?.message === failure.message
    this.#failures++
    this.#failure = failure
    this.#cancelRetry = this.#pool.clock.after(RETRY, this.#save)
    if (!known) this.announce('failed', failure)
    return failure
  }

  #state(): PoolState {
    const { registry, policy } = this.#pool
    const { policy: configuredPolicy, backends } = this.#configuration
    const configured = new Map(backends.map((backend) => [backend.url, backend]))
    const staying = registry.list().filter((backend) => !registry.isLeaving(backend))
    const urls = new Set(staying.map(({ url }) => url))
    return {
      version: STATE_VERSION,
      policy: { name: policy, configured: configuredPolicy },
      backends: staying.map((backend) => {
        const said = configured.get(backend.url)
        return { ...stateOf(backend), ...(said && { configured: said }) }
      }),
      removed: backends.filter(({ url }) => !urls.has(url)),
    }
  }
}

function stateOf({
  url,
  id,
  weight,
  ownLimit,
  maxConnections,
  hostHeader,
  backup,
  healthPort,
  healthHost,
  state,
  addedAt,
}: Backend): BackendState {
  return {
    url,
    id,
    weight,
    ...(ownLimit && { maxConnections: Number.isFinite(maxConnections) ? maxConnections : null }),
    ...(hostHeader !== undefined && { hostHeader }),
    ...(backup && { backup }),
    ...(healthPort !== undefined && { healthPort }),
    ...(healthHost !== undefined && { healthHost }),
    state,
    addedAt: addedAt.toISOString(),
  }
}
