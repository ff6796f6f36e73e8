import { BackendGoneError } from '../errors.js'
import type { Backend } from './backend.js'
import type { RegistryOptions } from './registry-options.js'

/** Why requests in flight are cut at the end of a drain. */
export const TOO_SLOW = 'did not finish draining in time'

/**
 * The backends that were removed while they had requests in flight. Those requests count no more for the pool, and may
 * take as long as on a drain.
 */
export class Lingering {
  readonly #options: Pick<RegistryOptions, 'clock' | 'drainTimeout' | 'observerGuard'>
  /** Cancels the deadline of each backend. */
  readonly #deadlines = new Map<Backend, () => void>()

  constructor(options: Pick<RegistryOptions, 'clock' | 'drainTimeout' | 'observerGuard'>) {
    this.#options = options
  }

  /** The backends that have requests in flight still. */
  get list(): Backend[] {
    return [...this.#deadlines.keys()].filter(({ inFlight }) => inFlight > 0)
  }

  /** Notes that a backend was removed. */
  add(backend: Backend): void {
    if (backend.inFlight === 0) return
    const { clock, drainTimeout, observerGuard } = this.#options
    const cancel = clock.after(drainTimeout, () => {
      this.#deadlines.delete(backend)
      backend.leases.cutAll(new BackendGoneError(backend.id, TOO_SLOW), observerGuard)
    })
    this.#deadlines.set(backend, cancel)
  }

  /** Notes that a request ended on a backend that was removed. */
  ended(backend: Backend): void {
    if (backend.inFlight > 0) return
    this.#deadlines.get(backend)?.()
    this.#deadlines.delete(backend)
  }

  /** Cancels all timers. */
  close(): void {
    for (const cancel of this.#deadlines.values()) cancel()
    this.#deadlines.clear()
  }
}
