import type { Backend } from '../backends/backend.js'
import type { Clock } from '../time/clock.js'
import { markOf } from './health-memory.js'

/**
 * Gives a backend that joined, was activated or recovered a share that grows from nothing to its fair share, because
 * its caches are cold, its connection pools empty and its code not compiled yet. The share grows linearly, as with
 * `slow_start` of nginx (https://nginx.org/en/docs/http/ngx_http_upstream_module.html#server) and `slowstart` of
 * HAProxy.
 */
export class SlowStart {
  #durationMs: number
  readonly #clock: Clock

  /** @param durationMs milliseconds that slow start takes; 0 for no slow start */
  constructor(durationMs: number, clock: Clock) {
    this.#durationMs = durationMs
    this.#clock = clock
  }

  /** Takes another duration, which counts for slow starts under way as well. */
  configure(durationMs: number): void {
    this.#durationMs = durationMs
  }

  /**
   * Begins the slow start of a backend. A worker takes part in the one that the control plane has begun.
   * @returns false if there is no slow start
   */
  begin(backend: Backend): boolean {
    if (this.#durationMs === 0) return false
    backend.healthMemory.setSlowStart(markOf(this.#clock.now()))
    return true
  }

  forget(backend: Backend): void {
    backend.healthMemory.setSlowStart(0)
  }

  /**
   * Returns the part of its fair share that slow start allows a backend, from 0 to 1; 1 for a backend that is not in
   * slow start.
   */
  factorOf(backend: Backend, now: number): number {
    const { slowStartAt } = backend.healthMemory
    if (slowStartAt === 0) return 1
    const factor = this.#durationMs === 0 ? 1 : (now - slowStartAt) / this.#durationMs
    if (factor < 1) return Math.max(0, factor)
    backend.healthMemory.setSlowStart(0)
    return 1
  }
}
