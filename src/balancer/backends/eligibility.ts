import { eligibleOf, type PanicOptions } from '../health/panic.js'
import type { PoolMemory } from '../memory.js'
import type { Backend } from './backend.js'

/** Keeps the set of backends that may be given requests now, and the number of those that are not full. */
export class Eligibility {
  readonly #options: PanicOptions
  /** True if other threads change the number of requests in flight, so that open backends are counted when asked for. */
  readonly #isShared: boolean
  #eligible: readonly Backend[] = []
  #standby: readonly Backend[] = []
  #usesBackups = false
  #panicking = false
  /** Number of eligible backends that are not full. */
  #open = 0

  constructor(options: PanicOptions, { isShared }: Pick<PoolMemory, 'isShared'>) {
    this.#options = options
    this.#isShared = isShared
  }

  get eligible(): readonly Backend[] {
    return this.#eligible
  }

  get standby(): readonly Backend[] {
    return this.#standby
  }

  get usesBackups(): boolean {
    return this.#usesBackups
  }

  get panicking(): boolean {
    return this.#panicking
  }

  /** Computes the set of eligible backends anew. Returns true if panic, in which health is ignored, began or ended. */
  refresh(backends: readonly Backend[]): boolean {
    const { eligible, standby, usesBackups, panicking } = eligibleOf(backends, this.#options)
    for (const backend of this.#eligible) {
      backend.isEligible = false
      backend.isOpen = false
    }
    this.#open = 0
    for (const backend of eligible) {
      backend.isEligible = true
      this.countOpen(backend)
    }
    this.#eligible = eligible
    this.#standby = standby
    this.#usesBackups = usesBackups
    const hasChanged = panicking !== this.#panicking
    this.#panicking = panicking
    return hasChanged
  }

  /** Updates the count of open backends (eligible and not full) after a change of this backend. */
  countOpen(backend: Backend): void {
    const isOpen = backend.isEligible && !backend.isFull
    if (isOpen === backend.isOpen) return
    backend.isOpen = isOpen
    this.#open += isOpen ? 1 : -1
  }

  /** Takes a backend that was removed from the pool out of the counts. */
  dismiss(backend: Backend): void {
    backend.isEligible = false
    this.countOpen(backend)
  }

  /** Returns true if there is an eligible backend that is not in `except`. */
  hasEligible(except: ReadonlySet<Backend> | undefined): boolean {
    let count = this.#eligible.length
    if (except) for (const { isEligible } of except) if (isEligible) count--
    return count > 0
  }

  /** Returns true if there is a backend, not in `except`, that a request may be given to now or later. */
  hasOther(except: ReadonlySet<Backend> | undefined): boolean {
    if (this.hasEligible(except)) return true
    // A request that has failed on all others may be given to a backup.
    return except !== undefined && this.#standby.some((backup) => !except.has(backup))
  }

  /** Returns true if there is a backend, not in `except`, that may be given a request now and is not full. */
  hasRoom(except: ReadonlySet<Backend> | undefined): boolean {
    let count = this.#isShared ? this.#countOpenNow() : this.#open
    if (except) for (const { isEligible, isFull } of except) if (isEligible && !isFull) count--
    if (count > 0) return true
    if (!except || this.hasEligible(except)) return false
    return this.#standby.some((backup) => !backup.isFull && !except.has(backup))
  }

  /** Number of further requests that the eligible backends may be given. */
  get freeSlots(): number {
    let sum = 0
    for (const { slots, inFlight } of this.#eligible) sum += Math.max(0, slots - inFlight)
    return sum
  }

  #countOpenNow(): number {
    let count = 0
    for (const { isFull } of this.#eligible) if (!isFull) count++
    return count
  }

  /**
   * Returns what kind of backends among these may be given requests: `usable` where one of them is usable, `sick` where
   * there are only unusable ones that are used in need, `nobody` where there are none.
   */
  leftOf(backends: readonly Backend[]): 'usable' | 'sick' | 'nobody' {
    const { eligible } = eligibleOf(backends, this.#options)
    if (eligible.some(({ isUsable }) => isUsable)) return 'usable'
    return eligible.length > 0 ? 'sick' : 'nobody'
  }

  /**
   * True if there is an eligible backend whose name could be resolved, so that a request would be sent to an address.
   */
  get serves(): boolean {
    return this.#eligible.some(({ unresolved }) => unresolved === undefined)
  }
}
