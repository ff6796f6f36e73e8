import { DueHeap, type DueItem } from '../structures/due-heap.js'

/** Weight that is less than this is a rounding error. */
const MIN_WEIGHT = 1e-9

/**
 * The virtual time of stride scheduling: the requests that a backend of weight 1 was entitled to so far. What is due at
 * a virtual time waits for it in a heap.
 */
export class VirtualTime<T extends DueItem> {
  now = 0
  readonly #waiting = new DueHeap<T>()

  /** One request was given to backends of this weight. */
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
 * The virtual times of a pool with limited backends: of those in slow start, and of all others, which share the requests
 * that slow start withholds.
 */
export class PoolVirtualTimes<T extends DueItem> {
  readonly slowStart = new VirtualTime<T>()
  readonly normal = new VirtualTime<T>()
  /** The weight of all eligible backends, and how much of it slow start leaves to others. */
  totalWeight = 0
  unusedWeight = 0

  /** One request was given to the pool. */
  advance(): void {
    this.slowStart.advance(this.totalWeight)
    this.normal.advance(this.totalWeight - this.unusedWeight)
  }

  takeDue(): T | undefined {
    return this.slowStart.takeDue() ?? this.normal.takeDue()
  }

  /** No backend is limited any more. Sums that begin anew have no rounding errors. */
  reset(): void {
    this.unusedWeight = 0
    this.slowStart.now = 0
    this.normal.now = 0
  }
}
