import type { Backend } from '../backends/backend.js'
import type { Clock } from '../time/clock.js'

/**
 * Gives a backend that joined, was activated or recovered a share that grows from nothing to its fair share, because
 * its caches are cold, its connection pools empty and its code not compiled yet. The share grows linearly, as with
 * `slow_start` of nginx (https://nginx.org/en/docs/http/ngx_http_upstream_module.html#server) and `slowstart` of
 * HAProxy.
 */
export class SlowStart {
  readonly #durationMs: number
  readonly #clock: Clock
  /** Monotonic milliseconds at which the slow start of each backend began. */
  readonly #beganAt = new Map<Backend, number>()

  /** @param durationMs milliseconds that slow start takes; 0 for no slow start */
  constructor(durationMs: number, clock: Clock) {
    this.#durationMs = durationMs
    this.#clock = clock
  }

  /**
   * Begins the slow start of a backend.
   * @returns false if there is no slow start
   */
  begin(backend: Backend): boolean {
    if (this.#durationMs === 0) return false
    this.#beganAt.set(backend, this.#clock.now())
    return true
  }

  forget(backend: Backend): void {
    this.#beganAt.delete(backend)
  }

  /**
   * Returns the part of its fair share that slow start allows a backend, from 0 to 1; 1 for a backend that is not in
   * slow start.
   */
  factorOf(backend: Backend, now: number): number {
    const beganAt = this.#beganAt.get(backend)
    if (beganAt === undefined) return 1
    const factor = (now - beganAt) / this.#durationMs
    if (factor < 1) return factor
    this.#beganAt.delete(backend)
    return 1
  }
}
