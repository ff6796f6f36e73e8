import type { Backend } from '../backends/backend.js'
import type { Clock } from '../time/clock.js'

/**
 * The ramp of a backend that joined, was activated or recovered: cold caches, an empty connection pool and a
 * compiler that has seen nothing yet are no match for a full share. The ramp is linear, as nginx' and
 * HAProxy's `slow_start` are.
 */
export class SlowStart {
  readonly #duration: number
  readonly #clock: Clock
  /** When each of those on the ramp began. */
  readonly #began = new Map<Backend, number>()

  /** @param duration of the ramp in milliseconds; 0 for none */
  constructor(duration: number, clock: Clock) {
    this.#duration = duration
    this.#clock = clock
  }

  /** Puts a backend at the foot of the ramp. Returns whether there is one. */
  begin(backend: Backend): boolean {
    if (this.#duration === 0) return false
    this.#began.set(backend, this.#clock.now())
    return true
  }

  forget(backend: Backend): void {
    this.#began.delete(backend)
  }

  /** How far up it is, from 0 to 1; 1 for who is on none. */
  heightOf(backend: Backend, now: number): number {
    const began = this.#began.get(backend)
    if (began === undefined) return 1
    const height = (now - began) / this.#duration
    if (height < 1) return height
    this.#began.delete(backend)
    return 1
  }
}
