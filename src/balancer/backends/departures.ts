import type { Clock } from '../time/clock.js'
import type { Backend } from './backend.js'

interface Departure {
  /** True if the backend is removed from the registry once it has no request in flight. */
  isRemoval: boolean
  cancelDeadline: () => void
}

/** Keeps track of the backends that drain or are being removed, and of the deadlines for their requests in flight. */
export class Departures {
  readonly #clock: Clock
  readonly #departures = new Map<Backend, Departure>()
  /** Backends whose drain was announced as done. */
  readonly #drained = new Set<Backend>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Returns true if a departure of the backend is under way, so that its requests have a deadline. */
  has(backend: Backend): boolean {
    return this.#departures.has(backend)
  }

  /** Returns true if the backend is removed once it has no request in flight. */
  isRemoval(backend: Backend): boolean {
    return this.#departures.get(backend)?.isRemoval === true
  }

  /**
   * Begins the departure of a backend, or gives it a new deadline. Another drain does not take back a removal that is
   * under way; only {@link cancel} does.
   * @param timeout milliseconds that the backend's requests in flight may take
   * @param isRemoval true if the backend is removed once it has no request in flight
   * @param onDeadline called once after that time, with a function that tells whether this deadline is still the
   *   current one: a listener may have cancelled it
   */
  begin(
    backend: Backend,
    timeout: number,
    isRemoval: boolean,
    onDeadline: (isCurrent: () => boolean) => void,
  ): void {
    const before = this.#departures.get(backend)
    before?.cancelDeadline()
    const departure: Departure = {
      isRemoval: isRemoval || before?.isRemoval === true,
      cancelDeadline: this.#clock.after(timeout, () => {
        onDeadline(() => this.#departures.get(backend) === departure)
      }),
    }
    this.#departures.set(backend, departure)
  }

  /**
   * Ends the departure of a backend that has no request in flight. Returns true if this is the first end of its drain,
   * which is then announced.
   */
  finish(backend: Backend): boolean {
    this.#departures.get(backend)?.cancelDeadline()
    this.#departures.delete(backend)
    const isFirst = !this.#drained.has(backend)
    this.#drained.add(backend)
    return isFirst
  }

  /** Records that a backend was registered in the state `draining`, so that the end of its drain is not announced. */
  markDrained(backend: Backend): void {
    this.#drained.add(backend)
  }

  /** Cancels the departure of a backend, which was activated again or is already removed. */
  cancel(backend: Backend): void {
    this.#departures.get(backend)?.cancelDeadline()
    this.#departures.delete(backend)
    this.#drained.delete(backend)
  }

  /** Cancels all timers. */
  close(): void {
    for (const { cancelDeadline } of this.#departures.values()) cancelDeadline()
    this.#departures.clear()
  }
}
