import type { Backend, CheckResult, Verdict } from './backend.js'
import { BackendSet } from './backend-set.js'

/** What is known of the health of registered backends: by active checks, by name lookups and by their requests. */
export class BackendHealth extends BackendSet {
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
      if (found === 'unhealthy' && answered !== backend.answersChecks) this.refresh()
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
    this.change(backend, () => {
      backend.unresolved = reason
      if (reason === undefined && !backend.unproven) backend.checked = 'unknown'
    })
    if (reason === undefined || unresolved === undefined) this.announce('health', backend)
  }

  /** @internal Takes a backend out for so many milliseconds, or more; who does that sees to its return. */
  eject(backend: Backend, duration: number): void {
    backend.ejections++
    this.change(backend, () => {
      backend.ejectedUntil = new Date(this.options.clock.date().getTime() + duration)
    })
    this.announce('health', backend)
  }

  /** @internal */
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
