import type { Backend } from './backend.js'
import { BackendSet } from './backend-set.js'
import type { CheckResult, Verdict } from './backend-view.js'

/** Sets the health of registered backends: by active checks, by name lookups and by their requests. */
export class BackendHealth extends BackendSet {
  /**
   * Notes what active checks of a backend found, those of this package or any other's.
   * @param result of the latest check
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
      // Panic prefers unhealthy backends that answer their checks at all.
      if (found === 'unhealthy' && answered !== backend.answersChecks) this.refresh()
      return
    }
    this.#changeHealth(backend, () => {
      backend.checked = found
    })
    // The backend has recovered, so earlier failures of requests say nothing about it now.
    if (checked === 'unhealthy') this.observer?.renewed(backend)
  }

  /**
   * Notes whether the name of a backend could be resolved. With its first address, what checks found until then is forgotten.
   * @param reason the error code of the lookup; undefined where there is an address
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

  /** @internal Takes a backend out. The caller reinstates it. @param duration milliseconds until it may be probed */
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

  #changeHealth(backend: Backend, change: () => void): void {
    const { health } = backend
    this.change(backend, change)
    if (backend.health !== health) this.announce('health', backend)
  }
}
