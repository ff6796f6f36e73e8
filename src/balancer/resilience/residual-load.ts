import type { Backend } from '../backends/backend.js'
import type { Clock } from '../time/clock.js'

/** Milliseconds after which residual load ends though the backend has not answered anything since. */
const MAX_AGE_MS = 1000

/**
 * The residual load of hedged requests. Where the hedge answers first, the first backend's request is cancelled: a
 * backend that stalls would look idle and be given more and more requests. So a request that a hedge took away
 * counts in `backend.load` until the backend has answered something well, or for a second after the last of them.
 */
export class ResidualLoad {
  readonly #clock: Clock
  readonly #loadChanged: (backend: Backend) => void
  /** Cancels the timer of each backend that has residual load. */
  readonly #cancelTimers = new Map<Backend, () => void>()

  /** @param loadChanged told when the `load` of a backend changed */
  constructor(clock: Clock, loadChanged: (backend: Backend) => void) {
    this.#clock = clock
    this.#loadChanged = loadChanged
  }

  /** A hedge took a request away from this backend. */
  add(backend: Backend): void {
    this.#cancelTimers.get(backend)?.()
    const cancelTimer = this.#clock.after(MAX_AGE_MS, () => this.clear(backend))
    this.#cancelTimers.set(backend, cancelTimer)
    backend.residualLoad++
    this.#loadChanged(backend)
  }

  /** The backend has answered, or was removed. */
  clear(backend: Backend): void {
    if (backend.residualLoad === 0) return
    this.#cancelTimers.get(backend)?.()
    this.#cancelTimers.delete(backend)
    backend.residualLoad = 0
    this.#loadChanged(backend)
  }

  /** Drops all timers. */
  close(): void {
    for (const cancelTimer of this.#cancelTimers.values()) cancelTimer()
    this.#cancelTimers.clear()
  }
}
