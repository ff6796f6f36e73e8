// Over 200 lines: every operation on the backends of a pool, each with the events that it emits.
import { BackendExistsError, BackendGoneError } from '../errors.js'
import { verifiedTls } from './apply-spec.js'
import type { Backend } from './backend.js'
import { BackendHealth } from './backend-health.js'
import { idFromOrigin } from './backend-id.js'
import { Departures } from './departures.js'
import { Lingering, TOO_SLOW } from './lingering.js'
import { newBackend } from './new-backend.js'
import { parseOrigin } from './origin.js'
import { patched } from './patch.js'
import type { ChangingRegistryOptions } from './registry-options.js'
import { entryOf, type SourceChanges, type SourceEntry, Sources } from './sources.js'
import type { BackendPatch, BackendRecord, BackendSource } from './spec.js'
import { type PreparedSync, planSync, type SyncPlan } from './sync-plan.js'

/** The backends of a pool. All adding, changing, draining and removing of backends is done here. */
export class Registry extends BackendHealth {
  readonly #departures = new Departures(this.options, (backend) => this.#keysMoved(backend))
  readonly #sources = new Sources()
  /** @internal */
  readonly lingering = new Lingering(this.options)

  /** Returns true if the backend is removed once it has no request in flight. */
  isLeaving(backend: Backend): boolean {
    return this.#departures.isRemoval(backend)
  }

  /**
   * Registers a backend.
   * @throws {InvalidBackendError | BackendExistsError} and changes nothing
   */
  add(record: BackendRecord, source: BackendSource = 'api'): Backend {
    const entry = entryOf(record)
    if (this.withUrl(entry.url)) throw new BackendExistsError(`url ${entry.url}`)
    const id = entry.id ?? idFromOrigin(parseOrigin(entry.url), (taken) => this.hasId(taken))
    if (this.hasId(id)) throw new BackendExistsError(`id "${id}"`)
    return this.#register(newBackend(id, entry, source, this.options))
  }

  /**
   * Brings the registry in line with the list of backends of one source, as one change. A new entry of the list is
   * added, a backend whose description changed is changed, and a backend that left the list drains and is removed.
   * Where a description is the same as in the previous list, changes that others made meanwhile stay, even the removal
   * of the backend.
   * @param before the previous list; by default that of the last call for this source
   * @throws {InvalidBackendError | BackendExistsError} and changes nothing
   */
  sync(source: BackendSource, specs: readonly BackendRecord[], before?: readonly BackendRecord[]): void {
    this.prepareSync(source, specs, before).commit()
  }

  /**
   * @internal Checks all that {@link sync} would do, and changes nothing yet.
   * @param changed options of the pool that are other ones by the time of the commit
   * @throws {InvalidBackendError | BackendExistsError}
   */
  prepareSync(
    source: BackendSource,
    specs: readonly BackendRecord[],
    before: readonly BackendRecord[] = this.#sources.list(source),
    changed?: ChangingRegistryOptions,
  ): PreparedSync {
    const changes = this.#sources.compare(specs, before)
    const leaving = new Set(this.list().filter((backend) => this.isLeaving(backend)))
    const plan = planSync(changes, source, this.list(), leaving, { ...this.options, ...changed })
    return {
      plan,
      commit: () => this.#carryOut(plan, source, changes),
      giveUp: () => {
        for (const { row } of plan.added) this.options.memory.forget(row)
      },
    }
  }

  /**
   * Returns the description of a backend in the list of a source; undefined where the list does not have the backend.
   */
  entryOf(backend: Backend, source: BackendSource): SourceEntry | undefined {
    return this.#sources.find(source, backend.url)
  }

  /** Returns the list of a source, which may have backends that were removed by others. */
  entriesOf(source: BackendSource): SourceEntry[] {
    return this.#sources.list(source)
  }

  /**
   * Changes the given fields of a backend.
   * @throws {BackendNotFoundError | InvalidBackendError} and changes nothing
   */
  update(id: string, patch: BackendPatch): Backend {
    const backend = this.get(id)
    const fields = patched(backend, patch)
    fields.tls = verifiedTls(backend, fields.tls, this.options)
    Object.assign(backend, fields)
    this.refresh()
    this.announce('updated', backend)
    return backend
  }

  /**
   * Drains a backend: it gets no new request, and its requests in flight finish or are cut after `timeout`
   * milliseconds. A second call during the drain starts the time anew.
   * @throws {BackendNotFoundError}
   */
  drain(id: string, timeout = this.options.drainTimeout): Backend {
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
    this.#departures.cancel(backend)
    this.change(backend, () => {
      backend.state = 'active'
    })
    this.announce('activated', backend)
    return backend
  }

  /**
   * Drains a backend and then removes it. With `force`, requests in flight are cut and the backend is removed at once.
   * @throws {BackendNotFoundError}
   */
  remove(id: string, { force = false, timeout = this.options.drainTimeout } = {}): Backend {
    const backend = this.get(id)
    if (!force) return this.#depart(backend, timeout, true)
    if (backend.inFlight > 0) this.announce('cut', backend, backend.inFlight)
    const why = 'was removed'
    this.options.otherThreads?.cut(backend, why)
    this.#forget(backend)
    backend.leases.cutAll(new BackendGoneError(id, why), this.options.observerGuard)
    return backend
  }

  /** Cancels all timers. Requests in flight and counts are left alone. */
  close(): void {
    this.#departures.close()
    this.lingering.close()
  }

  #depart(backend: Backend, timeout: number, remove: boolean): Backend {
    const isDraining = this.#departures.has(backend)
    const isRemoval = this.#departures.isRemoval(backend)
    this.#departures.begin(backend, timeout, remove, (isCurrent) => {
      this.announce('cut', backend, backend.inFlight)
      if (!isCurrent()) return
      this.options.otherThreads?.cut(backend, TOO_SLOW)
      backend.leases.cutAll(new BackendGoneError(backend.id, TOO_SLOW), this.options.observerGuard)
    })
    if (backend.state === 'active') {
      this.change(backend, () => {
        backend.state = 'draining'
      })
      this.announce('draining', backend)
    } else {
      this.refresh()
      // The backend was draining already, and is now to be removed as well.
      if (remove && isDraining && !isRemoval) this.announce('updated', backend)
    }
    this.#lookWhenKnown(backend)
    return backend
  }

  /** Finishes the drain of a backend whose keys go to other backends from now on. */
  #keysMoved(backend: Backend): void {
    this.refresh()
    this.#lookWhenKnown(backend)
  }

  /** Finishes the drain of a backend without requests once all threads know of it, which then say when it is idle. */
  #lookWhenKnown(backend: Backend): void {
    const look = () => {
      if (backend.inFlight === 0) this.becameIdle(backend)
    }
    const { otherThreads } = this.options
    if (otherThreads) this.onceTold(() => otherThreads.whenKnown(look))
    else look()
  }

  /**
   * @internal Finishes the drain of a backend that has no request in flight any more, and its removal where one is
   *   under way.
   */
  becameIdle(backend: Backend): void {
    // A backend that keeps its keys may have another request any time.
    if (backend.keepsKeys || !this.#departures.has(backend)) return
    const isRemoval = this.#departures.isRemoval(backend)
    if (this.#departures.finish(backend)) this.announce('drained', backend)
    // A listener of the event may have activated or removed the backend.
    if (isRemoval && backend.state === 'draining') this.#forget(backend)
  }

  #register(backend: Backend): Backend {
    if (backend.state === 'draining') this.#departures.markDrained(backend)
    this.insert(backend)
    this.announce('added', backend)
    return backend
  }

  /**
   * Carries out a plan. The source becomes the source of the backends that it lists, unless it is the store, which only
   * remembers what others registered.
   */
  #carryOut(
    { replaced, dropped, followed, added }: SyncPlan,
    source: BackendSource,
    changes: SourceChanges,
  ): void {
    this.batch(() => {
      for (const backend of replaced) {
        this.#forget(backend)
        this.lingering.add(backend)
      }
      for (const backend of dropped) if (this.holds(backend)) this.remove(backend.id)
      for (const { backend, entry, fields } of followed) {
        // A listener of an event may have removed it.
        if (!this.holds(backend)) continue
        if (source !== 'store') backend.source = source
        if (!fields) continue
        Object.assign(backend, fields)
        this.refresh()
        this.announce('updated', backend)
        if (entry.state === 'draining') {
          if (backend.state === 'active') this.drain(backend.id)
        } else if (backend.state === 'draining') this.activate(backend.id)
      }
      for (const backend of added) {
        // A listener of an event may have taken the id or the URL.
        if (this.hasId(backend.id) || this.withUrl(backend.url)) this.options.memory.forget(backend.row)
        else this.#register(backend)
      }
    })
    this.#sources.remember(source, changes)
  }

  #forget(backend: Backend): void {
    if (!this.holds(backend)) return
    this.#departures.cancel(backend)
    backend.state = 'draining'
    this.withdraw(backend)
    this.announce('removed', backend)
  }
}
