import { DueHeap, type DueItem } from '../structures/due-heap.js'

/** A weight below this is a rounding error. */
const MIN_WEIGHT = 1e-9

/**
 * The virtual time of stride scheduling: the number of requests that a backend of weight 1 was entitled to so far.
 * Items that are due at a virtual time wait for it in a heap.
 */
export class VirtualTime<T extends DueItem> {
  now = 0
  readonly #waiting = new DueHeap<T>()

  /** Advances the time by one request for backends of this total weight. */
  advance(weight: number): void {
    this.now += 1 / Math.max(MIN_WEIGHT, weight)
  }

  add(item: T): void {
    this.#waiting.add(item)
  }

  remove(item: T): void {
    this.#waiting.remove(item)
  }

  /** Takes out an item whose time has come; undefined where there is none. */
  takeDue(): T | undefined {
    const { first } = this.#waiting
    if (!first || first.due > this.now) return undefined
    this.#waiting.remove(first)
    return first
  }
}

/**
 * The two virtual times of a pool with limited backends: one for backends in slow start, and one for all others, which
 * share the requests that slow start withholds.
 */
export class PoolVirtualTimes<T extends DueItem> {
  readonly slowStart = new VirtualTime<T>()
  readonly normal = new VirtualTime<T>()
  /** The total weight of all eligible backends, and the part of it that slow start leaves to others. */
  totalWeight = 0
  unusedWeight = 0

  /** Advances both times by one request. */
  advance(): void {
    this.slowStart.advance(this.totalWeight)
    this.normal.advance(this.totalWeight - this.unusedWeight)
  }

  takeDue(): T | undefined {
    return this.slowStart.takeDue() ?? this.normal.takeDue()
  }

  /** Resets both times, because no backend is limited any more. This also removes the rounding errors of the sums. */
  reset(): void {
    this.unusedWeight = 0
    this.slowStart.now = 0
    this.normal.now = 0
  }
}
