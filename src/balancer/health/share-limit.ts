import type { Backend } from '../backends/backend.js'
import type { DueItem } from '../structures/due-heap.js'
import type { VirtualTime } from './virtual-time.js'

/**
 * Largest number of requests that a limited backend can save up. A request that it could not take is then not lost, and
 * no burst follows.
 */
const MAX_CREDIT = 2
/** Largest rounding error in a whole request of credit. */
const ROUNDING_ERROR = 1e-9

/**
 * The limit on the share of one backend, and the backend's credit: the number of requests that it may be given now.
 * Threads that share a pool share what slow start and failures allow a backend, but each has its own credit. So each
 * keeps the backend to its part of the requests of that thread, and together they keep it to its part of all requests.
 */
export class ShareLimit implements DueItem {
  readonly backend: Backend
  /** True if the backend may not have more than its fair share. */
  isCapped = false
  /**
   * The parts of its fair share that slow start and failures allow the backend, from 0 to 1, at the last measurement.
   */
  slowStartFactor = 1
  penaltyFactor = 1
  /** The backend's weight in the choice; 0 while the backend is not eligible. */
  weight = 0
  /**
   * The part of its fair share that the backend may have, which follows from the factors and from the state of the
   * other backends.
   */
  factor = 1
  /** The part of the backend's weight that slow start leaves to the other backends. */
  unusedWeight = 0
  /** Monotonic milliseconds at which the backend was last given a request beyond its share. */
  lastForcedAt = Number.NEGATIVE_INFINITY
  /** The virtual time at which the backend has credit for a request; meaningful only while it waits for credit. */
  due = 0
  /** The limit's place in the heap of those that wait for credit; -1 while it does not wait. */
  place = -1
  #time: VirtualTime<ShareLimit>
  #credit: number
  /** The virtual time up to which the credit was counted. */
  #creditedUntil: number

  /** @param credit number of requests that the backend may be given at once */
  constructor(backend: Backend, credit: number, time: VirtualTime<ShareLimit>) {
    this.backend = backend
    this.#credit = credit
    this.#time = time
    this.#creditedUntil = time.now
  }

  get isLimited(): boolean {
    return this.slowStartFactor < 1 || this.penaltyFactor < 1 || this.isCapped
  }

  get hasCredit(): boolean {
    return this.#credit >= 1 - ROUNDING_ERROR
  }

  /** Adds the credit for the virtual time that passed since the last call. */
  accrue(): void {
    const { now } = this.#time
    const earned = this.factor * this.weight * (now - this.#creditedUntil)
    this.#credit = Math.min(MAX_CREDIT, this.#credit + earned)
    this.#creditedUntil = now
  }

  /** Subtracts the request that the backend was given from its credit. */
  charge(): void {
    this.accrue()
    this.#credit = Math.max(-1, this.#credit - 1)
  }

  /** Drops the credit that was saved up. */
  forfeit(): void {
    this.accrue()
    this.#credit = Math.min(this.#credit, 0)
  }

  /** Gives the backend the credit for which it waited. */
  becomeDue(): void {
    this.accrue()
    this.#credit = Math.max(this.#credit, 1)
  }

  /** Makes credit follow this virtual time from now on. */
  follow(time: VirtualTime<ShareLimit>): void {
    this.stopWaiting()
    if (this.#time === time) return
    this.#time = time
    this.#creditedUntil = time.now
  }

  /** Waits for credit, until {@link VirtualTime.takeDue} returns it. */
  wait(): void {
    if (this.place !== -1) return
    this.due = this.#creditedUntil + (1 - this.#credit) / (this.factor * this.weight)
    this.#time.add(this)
  }

  stopWaiting(): void {
    if (this.place !== -1) this.#time.remove(this)
  }
}
