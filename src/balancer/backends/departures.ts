import type { Clock } from '../time/clock.js'
import type { Backend } from './backend.js'
import type { RegistryOptions } from './registry-options.js'

/**
 * Part of a drain in which requests still go to the backend of their key. The rest is for the requests in flight, which
 * are cut at the end.
 */
export const KEEPING_PART = 0.9

interface Departure {
  /** True if the backend is removed from the registry once it has no request in flight. */
  isRemoval: boolean
  cancelDeadline: () => void
  /** Cancels the timer at which the backend's keys move to others. */
  cancelMove: () => void
}

/** Keeps track of the backends that drain or are being removed, and of the deadlines for their requests in flight. */
export class Departures {
  readonly #clock: Clock
  readonly #departures = new Map<Backend, Departure>()
  /** Backends whose drain was announced as done. */
  readonly #drained = new Set<Backend>()
  readonly #options: Pick<RegistryOptions, 'clock' | 'keepsKeysOnDrain'>
  readonly #onMove: (backend: Backend) => void

  /** @param onMove called when a backend has kept its keys for as long as it may */
  constructor(
    options: Pick<RegistryOptions, 'clock' | 'keepsKeysOnDrain'>,
    onMove: (backend: Backend) => void,
  ) {
    this.#clock = options.clock
    this.#options = options
    this.#onMove = onMove
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
    if (before) cancelTimers(before)
    isRemoval ||= before?.isRemoval === true
    const departure: Departure = {
      isRemoval,
      cancelMove: this.#keepKeys(backend, isRemoval ? 0 : timeout * KEEPING_PART),
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
    this.#end(backend)
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
    this.#end(backend)
    this.#drained.delete(backend)
  }

  /** Cancels all timers. */
  close(): void {
    for (const departure of this.#departures.values()) cancelTimers(departure)
    this.#departures.clear()
  }

  /**
   * Lets a backend keep its keys.
   * @param duration in milliseconds
   * @returns a function that cancels the timer
   */
  #keepKeys(backend: Backend, duration: number): () => void {
    backend.keepsKeys = this.#options.keepsKeysOnDrain === true && duration > 0
    if (!backend.keepsKeys) return () => {}
    return this.#clock.after(duration, () => {
      backend.keepsKeys = false
      this.#onMove(backend)
    })
  }

  #end(backend: Backend): void {
    const departure = this.#departures.get(backend)
    if (departure) cancelTimers(departure)
    this.#departures.delete(backend)
    backend.keepsKeys = false
  }
}

function cancelTimers({ cancelDeadline, cancelMove }: Departure): void {
  cancelDeadline()
  cancelMove()
}
