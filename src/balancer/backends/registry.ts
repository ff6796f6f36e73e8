import { BackendExistsError, BackendGoneError, BackendNotFoundError } from '../errors.js'
import { eligibleOf, type PanicOptions } from '../health/panic.js'
import { LocalLoadCounter } from '../leases/load-counter.js'
import { GuardedEmitter, type ObserverGuard } from '../observer-guard.js'
import type { Clock } from '../time/clock.js'
import { Backend, type CheckResult, type ShareSource, type Verdict } from './backend.js'
import {
  type BackendPatch,
  type BackendRecord,
  checkAddedAt,
  checkAdminState,
  checkBackup,
  checkHealthHost,
  checkHealthPort,
  checkHostHeader,
  checkId,
  checkMaxConnections,
  checkWeight,
  type HealthInitial,
  parseOrigin,
} from './spec.js'

/** What happens to a backend; each is emitted after the change, with the backend. */
export interface RegistryEvents {
  added: [Backend]
  updated: [Backend]
  draining: [Backend]
  /** So many requests are cut: the time of a drain is up, or it is removed by force. */
  cut: [Backend, number]
  /** A draining backend holds no request any more. */
  drained: [Backend]
  activated: [Backend]
  /** Its health changed, or it was ejected once more. */
  health: [Backend]
  removed: [Backend]
  /** Health leaves too little and is ignored from now on, or is heeded again. */
  panic: [boolean]
}

/** Is told of changes of a registry, before its listeners. */
export interface RegistryObserver {
  /** {@link Registry.eligible} was replaced. */
  eligibleChanged(eligible: readonly Backend[]): void
  /** All is in order again after such a change. */
  settled(): void
  /** A backend may be used that could not be before. */
  joined(backend: Backend): void
  /** An operator, or the active check, has reason to think that a backend is as good as new. */
  renewed(backend: Backend): void
  removed(backend: Backend): void
}

export interface RegistryOptions extends PanicOptions {
  clock: Clock
  /** Limit of a backend that is registered without one; 0 for none. */
  maxConnections: number
  /** Whether a backend is used before its first check has passed. */
  healthInitial: HealthInitial
  /** What a tunnel without traffic counts in a choice, in percent of a request. */
  tunnelWeight: number
  /** Milliseconds that requests in flight may take on a drain that names no time of its own. */
  drainTimeout: number
  /** Knows which part of its fair share a backend may have; without one each has the whole. */
  shareSource?: ShareSource | undefined
  observerGuard: ObserverGuard
}

interface Departure {
  /** Whether it leaves the registry once it holds no request. */
  remove: boolean
  cancelDeadline: () => void
}

/** The backends of a pool, by id, and the set of those that may be given requests. */
export class Registry extends GuardedEmitter<RegistryEvents> {
  readonly #options: RegistryOptions
  readonly #backends = new Map<string, Backend>()
  readonly #urls = new Set<string>()
  readonly #departures = new Map<Backend, Departure>()
  /** Those whose `drained` was told. */
  readonly #drained = new Set<Backend>()
  #eligible: readonly Backend[] = []
  #standby: readonly Backend[] = []
  #usesBackups = false
  #panicking = false
  #inFlight = 0
  /** Batches that are under way, one in another, and whether there was a change in them. */
  #batches = 0
  #isStale = false
  /** How many of the eligible ones are not full. */
  #open = 0
  /** Set by the pool, once it has its first backends. */
  observer: RegistryObserver | undefined

  constructor(options: RegistryOptions) {
    super(options.observerGuard)
    this.#options = options
  }

  get size(): number {
    return this.#backends.size
  }

  /** The backends that may be given requests, in order of registration; replaced as a whole, never changed. */
  get eligible(): readonly Backend[] {
    return this.#eligible
  }

  /** Usable backups that get no requests, as another backend is usable. */
  get standby(): readonly Backend[] {
    return this.#standby
  }

  /** Whether there are backups, and they may be used: no other backend is usable. */
  get usesBackups(): boolean {
    return this.#usesBackups
  }

  /** Whether health leaves too little, and is ignored. */
  get panicking(): boolean {
    return this.#panicking
  }

  /** Who would be left for requests if this backend got none: usable ones, ones that are not, or nobody. */
  leftWithout(backend: Backend): 'usable' | 'sick' | 'nobody' {
    const others = this.list().filter((other) => other !== backend)
    const { eligible } = eligibleOf(others, this.#options)
    if (eligible.some(({ isUsable }) => isUsable)) return 'usable'
    return eligible.length > 0 ? 'sick' : 'nobody'
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

  /** Whether this very backend is registered. */
  holds(backend: Backend): boolean {
    return this.#backends.get(backend.id) === backend
  }

  /** Whether it is removed once it holds no request. */
  isLeaving(backend: Backend): boolean {
    return this.#departures.get(backend)?.remove === true
  }

  /** Requests in flight on all registered backends. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Whether there is any eligible backend, but for some. */
  hasEligible(except?: ReadonlySet<Backend>): boolean {
    let count = this.#eligible.length
    if (except) for (const { isEligible } of except) if (isEligible) count--
    return count > 0
  }

  /** Whether there is any backend that a request may be given to sooner or later, but for some. */
  hasOther(except?: ReadonlySet<Backend>): boolean {
    // A request that has failed on all others may be given to a backup.
    return (
      this.hasEligible(except) ||
      (except !== undefined && this.#standby.some((backup) => !except.has(backup)))
    )
  }

  /** Whether there is any eligible backend that is not full, but for some. */
  hasRoom(except?: ReadonlySet<Backend>): boolean {
    let count = this.#open
    if (except) for (const { isEligible, isFull } of except) if (isEligible && !isFull) count--
    return count > 0
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
      if (this.#batches === 0 && this.#isStale) this.#refresh()
    }
  }

  /** @throws {InvalidBackendError | BackendExistsError} and changes nothing */
  add(spec: BackendRecord): Backend {
    const origin = parseOrigin(spec.url)
    const weight = checkWeight(spec.weight ?? 1)
    const limit = checkMaxConnections(
      spec.maxConnections === undefined ? this.#options.maxConnections : spec.maxConnections,
    )
    const hostHeader = checkHostHeader(spec.hostHeader)
    const backup = checkBackup(spec.backup)
    const healthPort = checkHealthPort(spec.healthPort)
    const healthHost = checkHealthHost(spec.healthHost)
    const state = checkAdminState(spec.state ?? 'active')
    const addedAt = spec.addedAt === undefined ? this.#options.clock.date() : checkAddedAt(spec.addedAt)
    if (this.#urls.has(origin.origin)) throw new BackendExistsError(`url ${origin.origin}`)
    const id = spec.id === undefined ? this.#idFor(origin) : checkId(spec.id)
    if (this.#backends.has(id)) throw new BackendExistsError(`id "${id}"`)

    const backend = new Backend(
      id,
      origin,
      hostHeader,
      addedAt,
      new LocalLoadCounter(this.#options.tunnelWeight),
    )
    backend.weight = weight
    backend.maxConnections = limit
    backend.ownLimit = spec.maxConnections !== undefined
    backend.backup = backup
    backend.healthPort = healthPort
    backend.healthHost = healthHost
    if (this.#options.healthInitial === 'unusable') {
      backend.unproven = true
      backend.checked = 'unhealthy'
    }
    backend.state = state
    if (state === 'draining') this.#drained.add(backend)
    backend.shareSource = this.#options.shareSource
    this.#backends.set(id, backend)
    this.#urls.add(backend.url)
    if (backend.isUsable) this.observer?.joined(backend)
    this.#refresh()
    this.announce('added', backend)
    return backend
  }

  /** @throws {BackendNotFoundError | InvalidBackendError} and changes nothing */
  update(id: string, patch: BackendPatch): Backend {
    const backend = this.get(id)
    const weight = patch.weight === undefined ? backend.weight : checkWeight(patch.weight)
    const limit =
      patch.maxConnections === undefined ? backend.maxConnections : checkMaxConnections(patch.maxConnections)
    const backup = patch.backup === undefined ? backend.backup : checkBackup(patch.backup)
    const healthPort = patch.healthPort === undefined ? backend.healthPort : checkHealthPort(patch.healthPort)
    const healthHost = patch.healthHost === undefined ? backend.healthHost : checkHealthHost(patch.healthHost)
    backend.weight = weight
    backend.maxConnections = limit
    backend.ownLimit ||= patch.maxConnections !== undefined
    backend.backup = backup
    backend.healthPort = healthPort
    backend.healthHost = healthHost
    this.#refresh()
    this.announce('updated', backend)
    return backend
  }

  /**
   * No new request for this backend; those in flight finish, or are cut after `timeout` milliseconds. Asked
   * again while it drains, the new time counts from now.
   * @throws {BackendNotFoundError}
   */
  drain(id: string, timeout = this.#options.drainTimeout): Backend {
    return this.#depart(this.get(id), timeout, false)
  }

  /**
   * Undoes a drain, or a removal that waits for requests in flight, and ends an ejection.
   * @throws {BackendNotFoundError}
   */
  activate(id: string): Backend {
    const backend = this.get(id)
    if (backend.isEjected || backend.state === 'draining') this.observer?.renewed(backend)
    if (backend.state === 'active') return backend
    this.#drained.delete(backend)
    this.#departures.get(backend)?.cancelDeadline()
    this.#departures.delete(backend)
    this.#change(backend, () => {
      backend.state = 'active'
    })
    this.announce('activated', backend)
    return backend
  }

  /**
   * Drains a backend and then forgets it; with `force` its requests are cut and it is gone on return.
   * @throws {BackendNotFoundError}
   */
  remove(id: string, { force = false, timeout = this.#options.drainTimeout } = {}): Backend {
    const backend = this.get(id)
    if (!force) return this.#depart(backend, timeout, true)
    if (backend.inFlight > 0) this.announce('cut', backend, backend.inFlight)
    this.#forget(backend)
    backend.leases.cutAll(new BackendGoneError(id, 'was removed'), this.#options.observerGuard)
    return backend
  }

  /**
   * What active checks found, ours or anybody's.
   * @param result of the last one
   * @throws {BackendNotFoundError}
   */
  setHealth(id: string, verdict: Verdict, result?: CheckResult): void {
    const backend = this.get(id)
    if (verdict === 'healthy') backend.unproven = false
    const found = backend.unproven ? 'unhealthy' : verdict
    const answered = backend.answersChecks
    if (result) backend.lastCheck = result
    const { checked } = backend
    if (checked === found) {
      // Of those that are unhealthy the ones that answer are the lesser evil.
      if (found === 'unhealthy' && answered !== backend.answersChecks) this.#refresh()
      return
    }
    this.#changeHealth(backend, () => {
      backend.checked = found
    })
    // It was down, and came back: whatever its requests ran into before.
    if (checked === 'unhealthy') this.observer?.renewed(backend)
  }

  /**
   * Whether the name of a backend, which had no address so far, has one. What checks found meanwhile is forgotten then.
   * @param reason a code; undefined where it has an address now
   */
  setUnresolved(backend: Backend, reason: string | undefined): void {
    if (!this.holds(backend)) return
    const { unresolved } = backend
    if (unresolved === reason) return
    this.#change(backend, () => {
      backend.unresolved = reason
      if (reason === undefined && !backend.unproven) backend.checked = 'unknown'
    })
    if (reason === undefined || unresolved === undefined) this.announce('health', backend)
  }

  /** Whether a request would be given to a backend that has an address. */
  get serves(): boolean {
    return this.#eligible.some(({ unresolved }) => unresolved === undefined)
  }

  /** @internal Takes a backend out for so many milliseconds, or more; who does that sees to its return. */
  eject(backend: Backend, duration: number): void {
    backend.ejections++
    this.#change(backend, () => {
      backend.ejectedUntil = new Date(this.#options.clock.date().getTime() + duration)
    })
    this.announce('health', backend)
  }

  /** @internal */
  reinstate(backend: Backend): void {
    this.#changeHealth(backend, () => {
      backend.ejectedUntil = undefined
    })
  }

  /** Drops all timers. Requests in flight and counts are left alone. */
  close(): void {
    for (const departure of this.#departures.values()) departure.cancelDeadline()
    this.#departures.clear()
  }

  #depart(backend: Backend, timeout: number, remove: boolean): Backend {
    const before = this.#departures.get(backend)
    before?.cancelDeadline()
    const cancelDeadline = this.#options.clock.after(timeout, () => {
      this.announce('cut', backend, backend.inFlight)
      // A listener may have activated it.
      if (this.#departures.get(backend)?.cancelDeadline !== cancelDeadline) return
      const late = new BackendGoneError(backend.id, 'did not finish draining in time')
      backend.leases.cutAll(late, this.#options.observerGuard)
    })
    // A drain that is asked for while a removal waits does not take the removal back; `activate` does.
    this.#departures.set(backend, { remove: remove || before?.remove === true, cancelDeadline })
    if (backend.state === 'active') {
      this.#change(backend, () => {
        backend.state = 'draining'
      })
      this.announce('draining', backend)
    } else if (remove && before?.remove === false) {
      // It drained already, and now leaves.
      this.announce('updated', backend)
    }
    if (backend.inFlight === 0) this.becameIdle(backend)
    return backend
  }

  /**
   * @internal So many requests more are in flight on a backend, or fewer.
   * @returns false where it was removed meanwhile: requests that it still has count for the pool no more
   */
  countInFlight(backend: Backend, change: 1 | -1): boolean {
    if (!this.holds(backend)) return false
    this.#inFlight += change
    this.#note(backend)
    return true
  }

  /** @internal A backend holds no request any more: its drain is done, and so is its removal. */
  becameIdle(backend: Backend): void {
    const departure = this.#departures.get(backend)
    if (!departure) return
    departure.cancelDeadline()
    this.#departures.delete(backend)
    if (!this.#drained.has(backend)) {
      this.#drained.add(backend)
      this.announce('drained', backend)
    }
    // A listener may have activated it, or removed it.
    if (departure.remove && backend.state === 'draining') this.#forget(backend)
  }

  #forget(backend: Backend): void {
    if (!this.holds(backend)) return
    this.#drained.delete(backend)
    this.#departures.get(backend)?.cancelDeadline()
    this.#departures.delete(backend)
    backend.state = 'draining'
    this.#backends.delete(backend.id)
    this.#urls.delete(backend.url)
    // Requests that it still has in flight count for the pool no more.
    this.#inFlight -= backend.inFlight
    backend.isEligible = false
    this.#note(backend)
    this.observer?.removed(backend)
    this.#refresh()
    this.announce('removed', backend)
  }

  #changeHealth(backend: Backend, change: () => void): void {
    const { health } = backend
    this.#change(backend, change)
    if (backend.health !== health) this.announce('health', backend)
  }

  #change(backend: Backend, change: () => void): void {
    const { isUsable } = backend
    change()
    if (!isUsable && backend.isUsable) this.observer?.joined(backend)
    // That one was found to be as it was taken to be changes nothing for anybody.
    if (!isUsable || !backend.isUsable) this.#refresh()
  }

  /** Counts a backend among those that are eligible and not full, or takes it off. */
  #note(backend: Backend): void {
    const open = backend.isEligible && !backend.isFull
    if (open === backend.isOpen) return
    backend.isOpen = open
    this.#open += open ? 1 : -1
  }

  #refresh(): void {
    this.#isStale = this.#batches > 0
    if (this.#isStale) return
    const { eligible, standby, usesBackups, panicking } = eligibleOf(this.list(), this.#options)
    for (const backend of this.#eligible) {
      backend.isEligible = false
      backend.isOpen = false
    }
    this.#open = 0
    for (const backend of eligible) {
      backend.isEligible = true
      this.#note(backend)
    }
    this.#eligible = eligible
    this.#standby = standby
    this.#usesBackups = usesBackups
    this.observer?.eligibleChanged(eligible)
    if (panicking !== this.#panicking) {
      this.#panicking = panicking
      this.announce('panic', panicking)
    }
    this.observer?.settled()
  }

  #idFor(origin: URL): string {
    const port = origin.port || (origin.protocol === 'https:' ? '443' : '80')
    const stem = `${origin.hostname}-${port}`
      .replace(/[^A-Za-z0-9.]+/g, '-')
      .replace(/^-/, '')
      .slice(0, 56)
    let id = stem
    for (let n = 2; this.#backends.has(id); n++) id = `${stem}-${n}`
    return id
  }
}
