import { EventEmitter } from 'node:events'
import {
  Backend,
  type BackendPatch,
  type BackendSpec,
  checkHostHeader,
  checkId,
  checkMaxConnections,
  checkWeight,
  type Health,
  parseOrigin,
} from './backend.js'
import type { Clock } from './clock.js'
import { BackendExistsError, BackendGoneError, BackendNotFoundError } from './errors.js'

/** What happens to a backend; each is emitted after the change, with the backend. */
export interface RegistryEvents {
  added: [Backend]
  updated: [Backend]
  draining: [Backend]
  /** A draining backend holds no request any more. */
  drained: [Backend]
  activated: [Backend]
  /** Its health changed. */
  health: [Backend]
  removed: [Backend]
}

export interface RegistryOptions {
  clock: Clock
  /** Limit of a backend that is registered without one; 0 for none. */
  maxConnections: number
  /** Milliseconds that requests in flight may take on a drain that names no time of its own. */
  drainTimeout: number
}

interface Departure {
  /** Whether it leaves the registry once it holds no request. */
  remove: boolean
  cancelDeadline: () => void
}

/** The backends of a pool, by id, and the set of those that may be given requests. */
export class Registry extends EventEmitter<RegistryEvents> {
  readonly #options: RegistryOptions
  readonly #backends = new Map<string, Backend>()
  readonly #urls = new Set<string>()
  readonly #departures = new Map<Backend, Departure>()
  #eligible: readonly Backend[] = []
  /** Called whenever {@link eligible} was replaced; the policy learns of it before anybody else. */
  onEligible: ((eligible: readonly Backend[]) => void) | undefined
  /** Called after each change of a backend's `inFlight`. */
  onInFlight: ((backend: Backend) => void) | undefined

  constructor(options: RegistryOptions) {
    super()
    this.#options = options
  }

  get size(): number {
    return this.#backends.size
  }

  /** The backends that may be given requests, in order of registration; replaced as a whole, never changed. */
  get eligible(): readonly Backend[] {
    return this.#eligible
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

  /** Requests in flight on all registered backends. */
  get inFlight(): number {
    let sum = 0
    for (const backend of this.#backends.values()) sum += backend.inFlight
    return sum
  }

  /** @throws {InvalidBackendError | BackendExistsError} and changes nothing */
  add(spec: BackendSpec): Backend {
    const origin = parseOrigin(spec.url)
    const weight = checkWeight(spec.weight ?? 1)
    const limit = checkMaxConnections(
      spec.maxConnections === undefined ? this.#options.maxConnections : spec.maxConnections,
    )
    const hostHeader = checkHostHeader(spec.hostHeader)
    if (this.#urls.has(origin.origin)) throw new BackendExistsError(`url ${origin.origin}`)
    const id = spec.id === undefined ? this.#idFor(origin) : checkId(spec.id)
    if (this.#backends.has(id)) throw new BackendExistsError(`id "${id}"`)

    const backend = new Backend(id, origin, hostHeader, this.#options.clock.date())
    backend.weight = weight
    backend.maxConnections = limit
    backend.leases.onChange = () => {
      this.onInFlight?.(backend)
      if (backend.inFlight === 0) this.#idle(backend)
    }
    this.#backends.set(id, backend)
    this.#urls.add(backend.url)
    this.#refresh()
    this.#announce('added', backend)
    return backend
  }

  /** @throws {BackendNotFoundError | InvalidBackendError} and changes nothing */
  update(id: string, patch: BackendPatch): Backend {
    const backend = this.get(id)
    const weight = patch.weight === undefined ? backend.weight : checkWeight(patch.weight)
    const limit =
      patch.maxConnections === undefined ? backend.maxConnections : checkMaxConnections(patch.maxConnections)
    backend.weight = weight
    backend.maxConnections = limit
    this.#refresh()
    this.#announce('updated', backend)
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

  /** Undoes a drain, or a removal that waits for requests in flight. @throws {BackendNotFoundError} */
  activate(id: string): Backend {
    const backend = this.get(id)
    if (backend.state === 'active') return backend
    this.#departures.get(backend)?.cancelDeadline()
    this.#departures.delete(backend)
    backend.state = 'active'
    this.#refresh()
    this.#announce('activated', backend)
    return backend
  }

  /**
   * Drains a backend and then forgets it; with `force` its requests are cut and it is gone on return.
   * @throws {BackendNotFoundError}
   */
  remove(id: string, { force = false, timeout = this.#options.drainTimeout } = {}): Backend {
    const backend = this.get(id)
    if (!force) return this.#depart(backend, timeout, true)
    this.#forget(backend)
    backend.leases.cutAll(new BackendGoneError(id, 'was removed'))
    return backend
  }

  /** What health checks found. @throws {BackendNotFoundError} */
  setHealth(id: string, health: Health): void {
    const backend = this.get(id)
    if (backend.health === health) return
    backend.health = health
    this.#refresh()
    this.#announce('health', backend)
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
      backend.leases.cutAll(new BackendGoneError(backend.id, 'did not finish draining in time'))
    })
    // A drain that is asked for while a removal waits does not take the removal back; `activate` does.
    this.#departures.set(backend, { remove: remove || before?.remove === true, cancelDeadline })
    if (backend.state === 'active') {
      backend.state = 'draining'
      this.#refresh()
      this.#announce('draining', backend)
    }
    if (backend.inFlight === 0) this.#idle(backend)
    return backend
  }

  #idle(backend: Backend): void {
    const departure = this.#departures.get(backend)
    if (!departure) return
    departure.cancelDeadline()
    this.#departures.delete(backend)
    this.#announce('drained', backend)
    // A listener may have activated it.
    if (departure.remove && backend.state === 'draining') this.#forget(backend)
  }

  #forget(backend: Backend): void {
    this.#departures.get(backend)?.cancelDeadline()
    this.#departures.delete(backend)
    backend.state = 'draining'
    this.#backends.delete(backend.id)
    this.#urls.delete(backend.url)
    this.#refresh()
    this.#announce('removed', backend)
  }

  /** A listener that throws must not leave a change half made. */
  #announce(event: keyof RegistryEvents, backend: Backend): void {
    try {
      this.emit(event, backend)
    } catch (error) {
      queueMicrotask(() => {
        throw error
      })
    }
  }

  #refresh(): void {
    this.#eligible = this.list().filter((backend) => backend.isEligible)
    this.onEligible?.(this.#eligible)
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
