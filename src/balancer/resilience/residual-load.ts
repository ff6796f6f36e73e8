import type { Backend } from '../backends/backend.js'
import type { Clock } from '../time/clock.js'

/** Milliseconds after which it is forgotten, though the backend has not answered anything since. */
const MEMORY = 1000

/**
 * Requests that were answered by a second backend and taken off the first. Taken off it they make one that stands
 * still look idle, so that it would be given more and more of them; so they count on for the policies, as if they
 * were still there, until that backend has answered something well, or for a second after the last of them.
 */
export class ResidualLoad {
  readonly #clock: Clock
  readonly #changed: (backend: Backend) => void
  /** What ends the time of each that has any. */
  readonly #cancels = new Map<Backend, () => void>()

  /** @param changed told when a backend's `load` is another one */
  constructor(clock: Clock, changed: (backend: Backend) => void) {
    this.#clock = clock
    this.#changed = changed
  }

  add(backend: Backend): void {
    this.#cancels.get(backend)?.()
    const cancel = this.#clock.after(MEMORY, () => this.clear(backend))
    this.#cancels.set(backend, cancel)
    backend.residualLoad++
    this.#changed(backend)
  }

  /** It has answered, or is no backend of ours any more. */
  clear(backend: Backend): void {
    if (backend.residualLoad === 0) return
    this.#cancels.get(backend)?.()
    this.#cancels.delete(backend)
    backend.residualLoad = 0
    this.#changed(backend)
  }

  /** Drops all timers. */
  close(): void {
    for (const cancel of this.#cancels.values()) cancel()
    this.#cancels.clear()
  }
}
