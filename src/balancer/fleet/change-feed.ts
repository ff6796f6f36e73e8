import { EventEmitter } from 'node:events'
import type { FleetChange } from './fleet-view.js'

/** Largest number of changes that are kept until somebody listens. */
const MAX_KEPT = 100

/**
 * Emits changes. What changes before there is a listener is kept for the first one, because a gateway joins the others
 * before its pools, and so its log, are there.
 */
export class ChangeFeed extends EventEmitter<{ change: [FleetChange]; newListener: [string] }> {
  #kept: FleetChange[] = []

  constructor() {
    super()
    this.once('newListener', () => queueMicrotask(() => this.#emitKept()))
  }

  protected tell(change: FleetChange): void {
    if (this.listenerCount('change') > 0) this.emit('change', change)
    else if (this.#kept.length < MAX_KEPT) this.#kept.push(change)
  }

  #emitKept(): void {
    const kept = this.#kept
    this.#kept = []
    for (const change of kept) this.emit('change', change)
  }
}
