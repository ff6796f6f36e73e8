import type { Clock } from '../../src/balancer/time/clock.js'

/** Something that is due at a time. */
export interface Happening {
  happen(): void
}

/**
 * Simulated time, in milliseconds from 0. It jumps from one happening to the next; those that are due at the
 * same time happen in the order in which they were planned. A binary heap, kept in three arrays side by side
 * so that a comparison reads numbers and no objects.
 */
export class Timeline implements Clock {
  #now = 0
  #planned = 0
  #size = 0
  readonly #times: number[] = []
  readonly #orders: number[] = []
  readonly #happenings: Happening[] = []

  now(): number {
    return this.#now
  }

  date(): Date {
    return new Date(this.#now)
  }

  after(delay: number, callback: () => void): () => void {
    let wanted = true
    const happen = () => {
      if (wanted) callback()
    }
    this.plan(this.#now + delay, { happen })
    return () => {
      wanted = false
    }
  }

  /** @param at milliseconds, not before now */
  plan(at: number, happening: Happening): void {
    const order = this.#planned++
    let hole = this.#size++
    while (hole > 0) {
      const parent = (hole - 1) >> 1
      // What was planned before goes first, so only a later time gives way.
      if ((this.#times[parent] as number) <= at) break
      this.#move(parent, hole)
      hole = parent
    }
    this.#put(hole, at, order, happening)
  }

  /** Lets everything happen that is planned, and what comes of it. */
  run(): void {
    while (this.#size > 0) {
      this.#now = this.#times[0] as number
      const happening = this.#happenings[0] as Happening
      this.#removeFirst()
      happening.happen()
    }
  }

  #removeFirst(): void {
    const last = --this.#size
    const at = this.#times[last] as number
    const order = this.#orders[last] as number
    const happening = this.#happenings[last] as Happening
    this.#times.length = last
    this.#orders.length = last
    this.#happenings.length = last
    if (last === 0) return
    let hole = 0
    for (;;) {
      let child = 2 * hole + 1
      if (child >= last) break
      if (child + 1 < last && this.#isBefore(child + 1, child)) child++
      const time = this.#times[child] as number
      if (at < time || (at === time && order < (this.#orders[child] as number))) break
      this.#move(child, hole)
      hole = child
    }
    this.#put(hole, at, order, happening)
  }

  #isBefore(one: number, other: number): boolean {
    const difference = (this.#times[one] as number) - (this.#times[other] as number)
    if (difference !== 0) return difference < 0
    return (this.#orders[one] as number) < (this.#orders[other] as number)
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#times[from] as number
    this.#orders[to] = this.#orders[from] as number
    this.#happenings[to] = this.#happenings[from] as Happening
  }

  #put(place: number, at: number, order: number, happening: Happening): void {
    this.#times[place] = at
    this.#orders[place] = order
    this.#happenings[place] = happening
  }
}
