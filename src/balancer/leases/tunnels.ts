import type { Clock } from '../time/clock.js'
import type { Lease } from './lease.js'

/** Milliseconds without traffic after which a tunnel is quiet, and at most twice as many. */
const QUIET_AFTER_MS = 1000

/**
 * The tunnels that have traffic. What is in flight on a backend for hours, like a WebSocket, keeps it busy only while
 * something passes: a tunnel that is quiet counts for less in a choice. One timer looks at all that have had traffic, and
 * there is none while all are quiet.
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
