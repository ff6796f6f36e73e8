import type { Clock } from '../time/clock.js'
import { type Loaded, readStored } from './schema.js'
import type { BackendStore, PoolState, Restored, StoreRevision } from './store.js'

/**
 * Longest time that an operation of a store may take; after that, it counts as failed. A timeout is needed because
 * storage that hangs reports no error.
 */
const STORE_TIMEOUT_MS = 10_000

/** An operation of a store has taken too long, and may still be carried out. */
export class StoreLateError extends Error {
  constructor() {
    super(`it takes longer than ${STORE_TIMEOUT_MS / 1000} seconds`)
  }
}

/**
 * Runs one operation of a store at a time, because of two simultaneous saves the older one might be carried out last.
 * It waits for an operation for a limited time only.
 */
export class StoreAccess {
  readonly #store: BackendStore
  readonly #clock: Clock
  /** The store's current operation, which may take longer than its caller waits. This promise never rejects. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(store: BackendStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  async load(): Promise<Loaded | undefined> {
    return readStored(await this.#ask(() => this.#store.load()))
  }

  /** Resolves to the new revision; undefined for a store without revisions. */
  async save(
    state: PoolState,
    expectedRevision: StoreRevision | undefined,
  ): Promise<StoreRevision | undefined> {
    const revision = await this.#ask(() => this.#store.save(state, expectedRevision))
    return revision ?? undefined
  }

  /** Writes a state again that the store has lost. A store that cannot keep the revision gives it another one. */
  async restore(state: PoolState, revision: StoreRevision): Promise<Restored> {
    return await this.#ask(async () => {
      if (this.#store.restore) return await this.#store.restore(state, revision)
      return { isWritten: true, revision: (await this.#store.save(state)) ?? revision }
    })
  }

  /** Rejects where the work takes too long. */
  inTime<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(STORE_TIMEOUT_MS, () => reject(new StoreLateError()))
      work.then(resolve, reject).finally(cancel)
    })
  }

  async #ask<T>(ask: () => Promise<T>): Promise<T> {
    await this.inTime(this.#last)
    const asked = ask()
    this.#last = asked.catch(() => {})
    return await this.inTime(asked)
  }
}
