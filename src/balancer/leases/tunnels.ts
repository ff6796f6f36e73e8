import type { Clock } from '../time/clock.js'
import type { Lease } from './lease.js'

/** Interval between two checks for traffic. A tunnel becomes quiet after one to two intervals without traffic. */
const QUIET_AFTER_MS = 1000

/**
 * Finds out which tunnels have traffic. A connection that stays open for hours, like a WebSocket, burdens its backend
 * only while something passes, so a tunnel without traffic counts for less in a choice. One timer checks all tunnels
 * that had traffic; while all are quiet, no timer runs.
 */
export class Tunnels {
  readonly #clock: Clock
  readonly #busy = new Set<Lease>()
  #cancel: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Begins to check a tunnel that was quiet and has traffic again. */
  busy(lease: Lease): void {
    this.#busy.add(lease)
    this.#watch()
  }

  /** Cancels the timer. */
  close(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#busy.clear()
  }

  #watch(): void {
    this.#cancel ??= this.#clock.after(QUIET_AFTER_MS, () => {
      this.#cancel = undefined
      for (const lease of this.#busy) if (lease.checkTraffic()) this.#busy.delete(lease)
      if (this.#busy.size > 0) this.#watch()
    })
  }
}
