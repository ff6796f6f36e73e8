import { eligibleOf, type PanicOptions } from '../health/panic.js'
import type { Backend } from './backend.js'

/** Which backends may be given requests now, and how many of them have room for one. */
export class Eligibility {
  readonly #options: PanicOptions
  #eligible: readonly Backend[] = []
  #standby: readonly Backend[] = []
  #usesBackups = false
  #panicking = false
  /** How many of the eligible ones are not full. */
  #open = 0

  constructor(options: PanicOptions) {
    this.#options = options
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

  /** Finds out anew who may be given requests. Returns whether health is heeded, or ignored, as it was not before. */
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

  /** Counts a backend among those that are eligible and not full, or takes it off. */
  countOpen(backend: Backend): void {
    const isOpen = backend.isEligible && !backend.isFull
    if (isOpen === backend.isOpen) return
    backend.isOpen = isOpen
    this.#open += isOpen ? 1 : -1
  }

  /** A backend is none of the pool's any more. */
  dismiss(backend: Backend): void {
    backend.isEligible = false
    this.countOpen(backend)
  }

  /** Whether there is any eligible backend, but for some. */
  hasEligible(except: ReadonlySet<Backend> | undefined): boolean {
    let count = this.#eligible.length
    if (except) for (const { isEligible } of except) if (isEligible) count--
    return count > 0
  }

  /** Whether there is any backend that a request may be given to sooner or later, but for some. */
  hasOther(except: ReadonlySet<Backend> | undefined): boolean {
    if (this.hasEligible(except)) return true
    // A request that has failed on all others may be given to a backup.
    return except !== undefined && this.#standby.some((backup) => !except.has(backup))
  }

  /** Whether there is any backend that a request may be given to now and that is not full, but for some. */
  hasRoom(except: ReadonlySet<Backend> | undefined): boolean {
    let count = this.#open
    if (except) for (const { isEligible, isFull } of except) if (isEligible && !isFull) count--
    if (count > 0) return true
    if (!except || this.hasEligible(except)) return false
    return this.#standby.some((backup) => !backup.isFull && !except.has(backup))
  }

  /**
   * Which of the given backends could get requests: usable ones (`usable`), only unusable ones that panic allows
   * (`sick`), or none (`nobody`).
   */
  leftOf(backends: readonly Backend[]): 'usable' | 'sick' | 'nobody' {
    const { eligible } = eligibleOf(backends, this.#options)
    if (eligible.some(({ isUsable }) => isUsable)) return 'usable'
    return eligible.length > 0 ? 'sick' : 'nobody'
  }

  /** Whether a request would be given to a backend that has an address. */
  get serves(): boolean {
    return this.#eligible.some(({ unresolved }) => unresolved === undefined)
  }
}
