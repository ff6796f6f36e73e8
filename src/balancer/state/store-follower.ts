import type { Clock } from '../time/clock.js'
import { askedBetween } from './asked.js'
import { bringIntoForce } from './bring-into-force.js'
import type { ChangeablePool } from './change.js'
import { contentIn, contentOf, isSameContent, type PoolContent, rebase } from './pool-content.js'
import type { Loaded } from './schema.js'
import { type BackendStore, isOlder, isOtherHistory } from './store.js'
import type { StoreAccess } from './store-access.js'

/** How often the store is read in a row because it changed meanwhile. */
const MAX_LOADS = 20
/**
 * Time for which a gateway that started without the store leaves an empty store alone. A store that has lost its content
 * is empty until a gateway is back that knows it, which may take a pause between two attempts to connect.
 */
const EMPTY_GRACE_MS = 3000

/** The store is empty, and a gateway that knows what it had may not have come back yet. */
class EmptyStoreError extends Error {
  constructor() {
    super('it is empty, and gateways that know what it had may not have come back yet')
  }
}

/** What a follower tells of. */
export interface FollowerListener {
  /** Returns the content with which a pool begins that finds this in the store. @throws {InvalidStateError} */
  contentAtStart(loaded: Loaded): PoolContent
  /** The store was there for the first time since a start without it. */
  joined(): void
  /** The store had lost the state, and it was written again. */
  restored(): void
  /** What is stored cannot come into force here; told once for each reason. */
  outOfStep(error: Error): void
  /** What is stored is in force here again. */
  inStep(): void
}

/** The part of a pool that a follower uses. */
interface FollowingPool extends ChangeablePool {
  readonly clock: Pick<Clock, 'now'>
}

/** Brings into force what the store of several gateways has, and gives back to the store what it has lost. */
export class StoreFollower {
  readonly #pool: FollowingPool
  readonly #store: BackendStore
  readonly #access: StoreAccess
  readonly #listener: FollowerListener
  /** The newest content of the store that is in force here; undefined where the store was empty or away so far. */
  #known: Loaded | undefined
  /** The content of the pool when it was made. */
  readonly #first: PoolContent
  /** True if the store may have other content than is known. */
  isOutdated = false
  #outOfStep: Error | undefined
  #awayAtStart: Error | undefined
  /** When the store was found empty after a start without it, in monotonic milliseconds. */
  #emptyAt: number | undefined

  /** @param loaded what was read of the store when the pool was made; the error if the store was away */
  constructor(
    pool: FollowingPool,
    store: BackendStore,
    access: StoreAccess,
    loaded: Loaded | Error | undefined,
    listener: FollowerListener,
  ) {
    this.#pool = pool
    this.#store = store
    this.#access = access
    this.#listener = listener
    this.#first = contentOf(pool)
    if (loaded instanceof Error) {
      this.#awayAtStart = loaded
      this.isOutdated = true
    } else this.#known = loaded
  }

  /** The newest content of the store that is in force here; undefined where the store was empty or away so far. */
  get known(): Loaded | undefined {
    return this.#known
  }

  /** The reason why what is stored is not in force here, so that the pool keeps what it has; undefined otherwise. */
  get outOfStep(): Error | undefined {
    return this.#outOfStep
  }

  /** The reason why the pool began without its store; undefined once the store was there. */
  get awayAtStart(): Error | undefined {
    return this.#awayAtStart
  }

  /** True if code has changed the pool, and that is not stored yet. */
  get hasChanges(): boolean {
    const stored = this.#known ? contentIn(this.#known.state) : this.#first
    return !isSameContent(stored, contentOf(this.#pool))
  }

  /**
   * Brings into force what the store has, as long as that may be newer.
   * @returns true if the store was read
   * @throws the errors of the store, and an error for content that cannot come into force here
   */
  async catchUp(): Promise<boolean> {
    let loads = 0
    for (; this.isOutdated; loads++) {
      if (loads === MAX_LOADS) throw new Error('it changes all the time')
      this.isOutdated = false
      try {
        await this.#follow(await this.#access.load())
      } catch (error) {
        this.isOutdated = true
        if (this.#store.isAway || error instanceof EmptyStoreError) throw error
        throw this.#declined(error as Error)
      }
    }
    return loads > 0
  }

  /**
   * Brings stored content into force. What was changed here since, and is not stored yet, stays in force.
   * @param base the content of the pool without the changes that are not stored yet
   * @param content what is to be in force, if that is not all that is stored
   * @throws {InvalidBackendError | BackendExistsError} and changes nothing
   */
  takeOver(loaded: Loaded, base: PoolContent, content = contentIn(loaded.state)): void {
    const pool = this.#pool
    const present = contentOf(pool)
    const target = rebase(content, base, present)
    const asked = this.#known ? askedBetween(this.#known.state, loaded.state) : new Map()
    bringIntoForce(pool.registry, target, present, asked)
    if (target.policy !== pool.policy) pool.policy = target.policy
    this.#known = loaded
  }

  async #follow(loaded: Loaded | undefined): Promise<void> {
    const known = this.#known
    if (!known && !loaded && this.#awayAtStart) this.#leaveAlone()
    if (known && (!loaded || isOlder(loaded.revision ?? '', known.revision ?? ''))) await this.#restore(known)
    else if (loaded && (!known || isOtherHistory(loaded.revision ?? '', known.revision ?? '')))
      // Also where this pool was the first to find the store empty, and others have written again what it had before.
      this.takeOver(loaded, this.#first, this.#listener.contentAtStart(loaded))
    else if (loaded && known && loaded.revision !== known.revision)
      this.takeOver(loaded, contentIn(known.state))
    if (this.#awayAtStart) {
      this.#awayAtStart = undefined
      this.#listener.joined()
    }
    if (!this.#outOfStep) return
    this.#outOfStep = undefined
    this.#listener.inStep()
  }

  /** @throws {EmptyStoreError} while the store may only have lost its content */
  #leaveAlone(): void {
    const now = this.#pool.clock.now()
    this.#emptyAt ??= now
    if (now - this.#emptyAt < EMPTY_GRACE_MS) throw new EmptyStoreError()
  }

  async #restore({ state, revision: before = '' }: Loaded): Promise<void> {
    const { isWritten, revision } = await this.#access.restore(state, before)
    if (!isWritten) {
      // Another gateway has written the same or something newer meanwhile.
      this.isOutdated = true
      return
    }
    this.#known = { state, revision }
    this.#listener.restored()
  }

  #declined(error: Error): Error {
    const isKnown = this.#outOfStep?.message === error.message
    this.#outOfStep = error
    if (!isKnown) this.#listener.outOfStep(error)
    return new Error(`what it has cannot be used here: ${error.message}`)
  }
}
