import type { Backend } from '../backends/backend.js'
import type { Clock } from '../time/clock.js'

/** Time after which residual load ends, even if the backend has not answered anything since. */
const MAX_AGE_MS = 1000

/**
 * The residual load of hedged requests. If the hedge is answered first, the request to the first backend is cancelled,
 * so a backend that stalls would look idle and get more and more requests. Therefore a request that a hedge took away
 * still counts in `backend.load`, until the backend has answered some request well, or for a second after the last
 * hedge.
 */
export class ResidualLoad {
  readonly #clock: Clock
  readonly #loadChanged: (backend: Backend) => void
  /** Cancels the timer of each backend that has residual load. */
  readonly #cancelTimers = new Map<Backend, () => void>()

  /** @param loadChanged called when the `load` of a backend changed */
  constructor(clock: Clock, loadChanged: (backend: Backend) => void) {
    this.#clock = clock
    this.#loadChanged = loadChanged
  }

  /** Adds the request that a hedge took away from this backend. */
  add(backend: Backend): void {
    this.#cancelTimers.get(backend)?.()
    const cancelTimer = this.#clock.after(MAX_AGE_MS, () => this.clear(backend))
    this.#cancelTimers.set(backend, cancelTimer)
    backend.counter.addResidual()
    this.#loadChanged(backend)
  }

  /** Ends the residual load of a backend that has answered, or was removed. */
  clear(backend: Backend): void {
    if (backend.residualLoad === 0) return
    this.#cancelTimers.get(backend)?.()
    this.#cancelTimers.delete(backend)
    backend.counter.clearResidual()
    this.#loadChanged(backend)
  }

  /** Cancels all timers. */
  close(): void {
    for (const cancelTimer of this.#cancelTimers.values()) cancelTimer()
    this.#cancelTimers.clear()
  }
}
