import type { Clock } from '../time/clock.js'
import type { Lease } from './lease.js'

/** A tunnel is quiet after this long without traffic, and after twice as long at the latest. */
const QUIET_AFTER_MS = 1000

/**
 * Finds out which tunnels have traffic. A connection that stays open for hours, like a WebSocket, keeps its backend busy
 * only while something passes, so that a tunnel without traffic counts for less in a choice. One timer checks all tunnels
 * that had traffic, and there is none while all are quiet.
 */
export class Tunnels {
  readonly #clock: Clock
  readonly #busy = new Set<Lease>()
  #cancel: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A tunnel that was quiet has traffic. */
  busy(lease: Lease): void {
    this.#busy.add(lease)
    this.#watch()
  }

  /** Drops its timer. */
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
