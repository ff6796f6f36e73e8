import { BackendNotFoundError } from '../errors.js'
import { GuardedEmitter } from '../observer-guard.js'
import { Batch } from '../structures/batch.js'
import type { Backend } from './backend.js'
import { Eligibility } from './eligibility.js'
import type { RegistryEvents, RegistryObserver, RegistryOptions } from './registry-options.js'

/** The backends that are registered, and the set of those that may be given requests. */
export class BackendSet extends GuardedEmitter<RegistryEvents> {
  /** @internal */
  protected readonly options: RegistryOptions
  readonly #backends = new Map<string, Backend>()
  readonly #urls = new Map<string, Backend>()
  readonly #eligibility: Eligibility
  #inFlight = 0
  readonly #batch = new Batch()
  #isStale = false
  /** The pool's observer. The pool sets it once the first backends are registered. */
  observer: RegistryObserver | undefined

  constructor(options: RegistryOptions) {
    super(options.observerGuard)
    this.options = options
    this.#eligibility = new Eligibility(options, options.memory)
  }

  get size(): number {
    return this.#backends.size
  }

  /** The backends that may be given requests, in order of registration; replaced as a whole, never changed. */
  get eligible(): readonly Backend[] {
    return this.#eligibility.eligible
  }

  /** Usable backups that get no requests, because a backend that is no backup is usable. */
  get standby(): readonly Backend[] {
    return this.#eligibility.standby
  }

  /** True if backups may be used: there are backups, and no other backend is usable. */
  get usesBackups(): boolean {
    return this.#eligibility.usesBackups
  }

  /** True if health is ignored, because too few backends are usable. */
  get panicking(): boolean {
    return this.#eligibility.panicking
  }

  /** The backends that drain and still get the requests of their keys. */
  get kept(): readonly Backend[] {
    return this.list().filter(
      ({ keepsKeys, unresolved, checked, isEjected }) =>
        keepsKeys && unresolved === undefined && checked !== 'unhealthy' && !isEjected,
    )
  }

  /**
   * Returns which backends would be left for requests if this backend got none: `usable` where one of them is usable,
   * `sick` where there are only unusable ones, `nobody` where there are none.
   */
  leftWithout(backend: Backend): 'usable' | 'sick' | 'nobody' {
    return this.#eligibility.leftOf(this.list().filter((other) => other !== backend))
  }

  /** Returns all backends in order of registration. */
  list(): Backend[] {
    return [...this.#backends.values()]
  }

  /** @throws {BackendNotFoundError} where no backend has this id */
  get(id: string): Backend {
    const backend = this.#backends.get(id)
    if (!backend) throw new BackendNotFoundError(id)
    return backend
  }

  /** @internal Returns the backend with this URL, in the spelling of `Backend.url`; undefined where there is none. */
  withUrl(url: string): Backend | undefined {
    return this.#urls.get(url)
  }

  protected hasId(id: string): boolean {
    return this.#backends.has(id)
  }

  /**
   * Returns true if this very object is registered. Its id alone does not tell, because a backend that was removed may
   * have been registered anew under the same id.
   */
  holds(backend: Backend): boolean {
    return backend.isRegistered
  }

  /** Number of requests in flight on all registered backends. */
  get inFlight(): number {
    if (!this.options.memory.isShared) return this.#inFlight
    let sum = 0
    for (const { inFlight } of this.#backends.values()) sum += inFlight
    return sum
  }

  /** Returns true if there is an eligible backend that is not in `except`. */
  hasEligible(except?: ReadonlySet<Backend>): boolean {
    return this.#eligibility.hasEligible(except)
  }

  /** Returns true if there is a backend, not in `except`, that a request may be given to now or later. */
  hasOther(except?: ReadonlySet<Backend>): boolean {
    return this.#eligibility.hasOther(except)
  }

  /** Returns true if there is a backend, not in `except`, that may be given a request now and is not full. */
  hasRoom(except?: ReadonlySet<Backend>): boolean {
    return this.#eligibility.hasRoom(except)
  }

  /** Number of further requests that the eligible backends may be given. */
  get freeSlots(): number {
    return this.#eligibility.freeSlots
  }

  /**
   * Makes many changes as one: the set of eligible backends is computed once, after the last change. During the batch
   * it is outdated, and must not be read.
   */
  batch(change: () => void): void {
    this.#batch.run(change, () => {
      if (this.#isStale) this.refresh()
    })
  }

  /** Calls back once the changes so far were told to all that follow them: now, or at the end of the batch. */
  protected onceTold(callback: () => void): void {
    this.#batch.atEnd(callback)
  }

  /**
   * True if there is an eligible backend whose name could be resolved, so that a request would be sent to an address.
   */
  get serves(): boolean {
    return this.#eligibility.serves
  }

  /**
   * @internal Adds one request to the requests in flight on a backend, or takes one off.
   * @returns false where the backend was removed meanwhile: its remaining requests no longer count for the pool
   */
  countInFlight(backend: Backend, change: 1 | -1): boolean {
    if (!this.holds(backend)) return false
    this.#inFlight += change
    this.#eligibility.countOpen(backend)
    return true
  }

  /** @internal Updates what follows from the number of slots of a backend, which has changed. */
  slotsChanged(backend: Backend): void {
    if (this.holds(backend)) this.#eligibility.countOpen(backend)
  }

  /** Registers a backend. Its id and URL must not be in use. */
  protected insert(backend: Backend): void {
    backend.isRegistered = true
    this.#backends.set(backend.id, backend)
    this.#urls.set(backend.url, backend)
    if (backend.isUsable) this.observer?.joined(backend)
    this.refresh()
  }

  /** Removes a backend. Its requests in flight no longer count for the pool. */
  protected withdraw(backend: Backend): void {
    backend.isRegistered = false
    this.#backends.delete(backend.id)
    this.#urls.delete(backend.url)
    this.#inFlight -= backend.inFlight
    this.#eligibility.dismiss(backend)
    this.observer?.removed(backend)
    this.refresh()
  }

  /** Makes a change that may make a backend usable or unusable, and updates the set of eligible backends if needed. */
  protected change(backend: Backend, change: () => void): void {
    const { isUsable } = backend
    change()
    if (!isUsable && backend.isUsable) this.observer?.joined(backend)
    // Where the backend was usable before and after, nothing changes for any other backend.
    if (!isUsable || !backend.isUsable) this.refresh()
  }

  /** Computes the set of eligible backends again. During a batch this is put off until the batch ends. */
  protected refresh(): void {
    this.#isStale = this.#batch.isOpen
    if (this.#isStale) return
    const hasPanicChanged = this.#eligibility.refresh(this.list())
    this.observer?.eligibleChanged(this.eligible)
    if (hasPanicChanged) this.announce('panic', this.panicking)
    this.observer?.settled()
  }
}
