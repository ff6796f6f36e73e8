import { BackendNotFoundError } from '../errors.js'
import { GuardedEmitter } from '../observer-guard.js'
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
  /** Batches that are under way, one in another, and whether there was a change in them. */
  #batches = 0
  #isStale = false
  /** Set by the pool, once it has its first backends. */
  observer: RegistryObserver | undefined

  constructor(options: RegistryOptions) {
    super(options.observerGuard)
    this.options = options
    this.#eligibility = new Eligibility(options)
  }

  get size(): number {
    return this.#backends.size
  }

  /** The backends that may be given requests, in order of registration; replaced as a whole, never changed. */
  get eligible(): readonly Backend[] {
    return this.#eligibility.eligible
  }

  /** Usable backups that get no requests, as a backend that is no backup is usable. */
  get standby(): readonly Backend[] {
    return this.#eligibility.standby
  }

  /** Whether there are backups and no other backend is usable, so that backups may be used. */
  get usesBackups(): boolean {
    return this.#eligibility.usesBackups
  }

  /** Whether too few backends are usable, so that health is ignored. */
  get panicking(): boolean {
    return this.#eligibility.panicking
  }

  /**
   * Which backends would be left for requests without this one: usable ones (`usable`), only unusable ones that panic
   * allows (`sick`), or none (`nobody`).
   */
  leftWithout(backend: Backend): 'usable' | 'sick' | 'nobody' {
    return this.#eligibility.leftOf(this.list().filter((other) => other !== backend))
  }

  /** All backends in order of registration. */
  list(): Backend[] {
    return [...this.#backends.values()]
  }

  /** @throws {BackendNotFoundError} */
  get(id: string): Backend {
    const backend = this.#backends.get(id)
    if (!backend) throw new BackendNotFoundError(id)
    return backend
  }

  /** @returns undefined where there is no backend with this URL, spelt as `new URL(url).origin` spells it */
  protected withUrl(url: string): Backend | undefined {
    return this.#urls.get(url)
  }

  protected hasId(id: string): boolean {
    return this.#backends.has(id)
  }

  /** Whether this very backend is registered: one that was removed may have been registered anew under its id. */
  holds(backend: Backend): boolean {
    return backend.isRegistered
  }

  /** Requests in flight on all registered backends. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Whether there is any eligible backend, but for some. */
  hasEligible(except?: ReadonlySet<Backend>): boolean {
    return this.#eligibility.hasEligible(except)
  }

  /** Whether there is any backend that a request may be given to sooner or later, but for some. */
  hasOther(except?: ReadonlySet<Backend>): boolean {
    return this.#eligibility.hasOther(except)
  }

  /** Whether there is any backend that a request may be given to now and that is not full, but for some. */
  hasRoom(except?: ReadonlySet<Backend>): boolean {
    return this.#eligibility.hasRoom(except)
  }

  /**
   * Makes many changes as one: who may be given requests is found out once, after the last of them. It is not to be
   * asked for in between.
   */
  batch(change: () => void): void {
    this.#batches++
    try {
      change()
    } finally {
      this.#batches--
      if (this.#batches === 0 && this.#isStale) this.refresh()
    }
  }

  /** Whether a request would be given to a backend that has an address. */
  get serves(): boolean {
    return this.#eligibility.serves
  }

  /**
   * @internal So many requests more are in flight on a backend, or fewer.
   * @returns false where it was removed meanwhile: requests that it still has count for the pool no more
   */
  countInFlight(backend: Backend, change: 1 | -1): boolean {
    if (!this.holds(backend)) return false
    this.#inFlight += change
    this.#eligibility.countOpen(backend)
    return true
  }

  /** Registers a backend, whose id and URL are free. */
  protected insert(backend: Backend): void {
    backend.isRegistered = true
    this.#backends.set(backend.id, backend)
    this.#urls.set(backend.url, backend)
    if (backend.isUsable) this.observer?.joined(backend)
    this.refresh()
  }

  /** Forgets a backend. Requests that it still has in flight count for the pool no more. */
  protected withdraw(backend: Backend): void {
    backend.isRegistered = false
    this.#backends.delete(backend.id)
    this.#urls.delete(backend.url)
    this.#inFlight -= backend.inFlight
    this.#eligibility.dismiss(backend)
    this.observer?.removed(backend)
    this.refresh()
  }

  /** Makes a change after which a backend may be usable that was not, or the other way round. */
  protected change(backend: Backend, change: () => void): void {
    const { isUsable } = backend
    change()
    if (!isUsable && backend.isUsable) this.observer?.joined(backend)
    // A backend that was usable and still is does not change which backends may be given requests.
    if (!isUsable || !backend.isUsable) this.refresh()
  }

  /** Finds out anew who may be given requests, unless a batch is under way. */
  protected refresh(): void {
    this.#isStale = this.#batches > 0
    if (this.#isStale) return
    const hasPanicChanged = this.#eligibility.refresh(this.list())
    this.observer?.eligibleChanged(this.eligible)
    if (hasPanicChanged) this.announce('panic', this.panicking)
    this.observer?.settled()
  }
}
