import { followDefaults } from './apply-spec.js'
import type { Backend } from './backend.js'
import { BackendSet } from './backend-set.js'
import type { CheckResult, Verdict } from './backend-view.js'
import type { ChangingRegistryOptions } from './registry-options.js'

/** The registered backends, with what active checks, name lookups and requests found out about their health. */
export class BackendHealth extends BackendSet {
  /** @internal The Host of the last request for which no backend was usable; active checks may send it. */
  refusedHost: string | undefined

  /**
   * Records what an active check of a backend found, be it a check of this package or one that the app makes itself.
   * @param verdict the health that follows from the checks so far
   * @param result of the latest check
   * @throws {BackendNotFoundError} where no backend has this id
   */
  setHealth(id: string, verdict: Verdict, result?: CheckResult): void {
    const backend = this.get(id)
    if (verdict === 'healthy') backend.unproven = false
    const found = backend.unproven ? 'unhealthy' : verdict
    const answered = backend.answersChecks
    if (result) backend.lastCheck = result
    const { checked } = backend
    if (checked === found) {
      // Panic prefers unhealthy backends that answer their checks at all.
      if (found === 'unhealthy' && answered !== backend.answersChecks) this.refresh()
      return
    }
    this.#changeHealth(backend, () => {
      backend.checked = found
    })
    // The backend is back: earlier failures of its requests say nothing about it now.
    if (checked === 'unhealthy') this.observer?.renewed(backend)
  }

  /**
   * Records whether the name of a backend could be resolved. With the first address of a backend, earlier results of
   * its checks are forgotten.
   * @param reason the error code of the lookup; undefined where the name has an address
   */
  setUnresolved(backend: Backend, reason: string | undefined): void {
    if (!this.holds(backend)) return
    const { unresolved } = backend
    if (unresolved === reason) return
    this.change(backend, () => {
      backend.unresolved = reason
      if (reason === undefined && !backend.unproven) backend.checked = 'unknown'
    })
    if (reason === undefined || unresolved === undefined) this.announce('health', backend)
  }

  /**
   * @internal Ejects a backend, so that it gets no requests. The caller reinstates it.
   * @param duration milliseconds until the backend may be probed
   */
  eject(backend: Backend, duration: number): void {
    backend.ejections++
    this.change(backend, () => {
      backend.ejectedUntil = new Date(this.options.clock.date().getTime() + duration)
    })
    this.announce('health', backend)
  }

  /** @internal Ends an ejection. */
  reinstate(backend: Backend): void {
    this.#changeHealth(backend, () => {
      backend.ejectedUntil = undefined
    })
  }

  /**
   * @internal Takes other options of the pool. Backends without a limit of their own get the new one, and those that
   * need not pass a check any more are usable.
   */
  configure(changed: ChangingRegistryOptions): void {
    Object.assign(this.options, changed)
    this.batch(() => {
      for (const backend of this.list()) this.followDefaults(backend)
      this.refresh()
    })
  }

  protected followDefaults(backend: Backend): void {
    let hasChanged = false
    this.change(backend, () => {
      hasChanged = followDefaults(backend, this.options)
    })
    if (hasChanged) this.announce('updated', backend)
  }

  #changeHealth(backend: Backend, change: () => void): void {
    const { health } = backend
    this.change(backend, change)
    if (backend.health !== health) this.announce('health', backend)
  }
}
