import type { Clock } from '../time/clock.js'
import type { Backend } from './backend.js'

interface Departure {
  /** Whether the backend leaves the registry once it holds no request. */
  isRemoval: boolean
  cancelDeadline: () => void
}

/** The backends that drain, or are removed, and the deadlines by which their requests have to be done. */
export class Departures {
  readonly #clock: Clock
  readonly #departures = new Map<Backend, Departure>()
  /** Backends whose drain was announced as done. */
  readonly #drained = new Set<Backend>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether it is under way: its requests have a deadline. */
  has(backend: Backend): boolean {
    return this.#departures.has(backend)
  }

  /** Whether a backend is removed once it holds no request. */
  isRemoval(backend: Backend): boolean {
    return this.#departures.get(backend)?.isRemoval === true
  }

  /**
   * A backend drains from now on, or drains again with a new deadline. A drain that is asked for while a removal waits
   * does not take the removal back; only {@link cancel} does.
   * @param timeout milliseconds that its requests may take
   * @param onDeadline called once after that; it is told whether this deadline still counts, as whoever hears of it may
   * have cancelled it
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

  /** Ends a departure, as its backend holds no request. Returns whether its drain is done for the first time. */
  finish(backend: Backend): boolean {
    this.#departures.get(backend)?.cancelDeadline()
    this.#departures.delete(backend)
    const isFirst = !this.#drained.has(backend)
    this.#drained.add(backend)
    return isFirst
  }

  /** A backend was registered as one that has drained already. */
  markDrained(backend: Backend): void {
    this.#drained.add(backend)
  }

  /** A backend stays after all, or is gone. */
  cancel(backend: Backend): void {
    this.#departures.get(backend)?.cancelDeadline()
    this.#departures.delete(backend)
    this.#drained.delete(backend)
  }

  /** Drops all timers. */
  close(): void {
    for (const { cancelDeadline } of this.#departures.values()) cancelDeadline()
    this.#departures.clear()
  }
}
