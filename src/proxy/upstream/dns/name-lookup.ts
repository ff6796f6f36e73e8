import type { LookupAddress } from 'node:dns'
import type { Clock } from '../../../balancer/time/clock.js'
import { type LookUp, type LookupListener, LookupQueue } from './lookup-queue.js'
import { type Name, newName, type Waiter, type Watcher } from './name.js'
import { UnresolvedError } from './unresolved-error.js'

/** Time for which an answer is used without a new look-up. */
const FRESH_MS = 2000
/** Time for which an answer is used while a new look-up is under way; after that, requests wait for the new one. */
const STALE_WHILE_REVALIDATE_MS = 10_000
/** Longest wait for a new look-up where the last answer is older, or did not lead to the backend. */
const REFRESH_WAIT_MS = 500
/** Longest wait for the first look-up of a name. */
const FIRST_WAIT_MS = 5000
/** Time after which watchers learn that a first look-up is slow, so that requests do not wait for it. */
const SLOW_MS = 1000
/** Shortest time from a look-up that failed to the next. */
const MIN_RETRY_MS = 1000
/** Longest time between two look-ups of a watched name that fail; it doubles from one to the next. */
const MAX_RETRY_MS = 10_000

/**
 * The addresses of names, one look-up of a name at a time. The system's resolver may fail, or take ten seconds, while
 * the backends are well: so the last good answer is used for as long as there is no newer one.
 */
export class NameLookup implements LookupListener<Name> {
  readonly #clock: Clock
  readonly #names = new Map<string, Name>()
  readonly #queue: LookupQueue<Name>

  /**
   * @param lookUp asks the system
   * @param direct asks the name servers, where the system hangs
   */
  constructor(lookUp: LookUp, clock: Clock, direct?: LookUp) {
    this.#clock = clock
    this.#queue = new LookupQueue(lookUp, direct, clock, this)
  }

  /**
   * Looks up a name and keeps its addresses. A name that cannot be resolved is tried again.
   * @returns a function that ends the watch; the name is dropped when it has no watcher and no waiter left
   */
  watch(name: string, watcher: Watcher): () => void {
    const known = this.#nameOf(name)
    known.watchers.add(watcher)
    if (!known.addresses && known.failure) watcher(known.failure.code)
    if (!known.addresses) this.#begin(known)
    return () => {
      known.watchers.delete(watcher)
      this.#forget(known)
    }
  }

  /** The last good answer, however old. */
  last(name: string): readonly LookupAddress[] | undefined {
    return this.#names.get(name)?.addresses
  }

  /**
   * Calls back with the newest addresses that can be had without a long wait.
   * @returns a function that ends the wait; undefined where it was called back at once
   */
  resolve(name: string, done: Waiter): (() => void) | undefined {
    const known = this.#nameOf(name)
    if (!this.#isFresh(known)) this.#begin(known)
    const waitMs = this.#waitFor(known)
    const { addresses } = known
    if (!addresses || waitMs > 0) return this.#wait(known, waitMs, done)
    done(undefined, addresses)
    return undefined
  }

  /** A connection to the last addresses failed: the backend may have moved. */
  doubt(name: string): void {
    const known = this.#names.get(name)
    if (!known?.addresses || this.#clock.now() - known.answeredAt < MIN_RETRY_MS) return
    known.isDoubted = true
    this.#begin(known)
  }

  #isFresh({ addresses, answeredAt, isDoubted }: Name): boolean {
    return addresses !== undefined && !isDoubted && this.#clock.now() - answeredAt < FRESH_MS
  }

  /** Milliseconds to wait for the look-up that is under way; 0 or less for no wait. */
  #waitFor({ addresses, answeredAt, isDoubted, begunAt, failure }: Name): number {
    if (begunAt === undefined) return 0
    const now = this.#clock.now()
    if (!addresses) return begunAt + FIRST_WAIT_MS - now
    // A name of which the last look-up failed will hardly be found now.
    if (failure || (!isDoubted && now - answeredAt < STALE_WHILE_REVALIDATE_MS)) return 0
    return begunAt + REFRESH_WAIT_MS - now
  }

  #wait(name: Name, waitMs: number, done: Waiter): () => void {
    let cancelTimer = () => {}
    const waiter: Waiter = (error, addresses) => {
      cancelTimer()
      name.waiters.delete(waiter)
      done(error, addresses)
    }
    name.waiters.add(waiter)
    this.#queue.makeUrgent(name)
    // A known failure, too, is told by a timer: the caller has yet to take what this returns.
    cancelTimer = this.#clock.after(Math.max(0, waitMs), () => {
      if (name.addresses) waiter(undefined, name.addresses)
      else waiter(name.failure ?? new UnresolvedError(name.name, FIRST_WAIT_MS), [])
    })
    return () => {
      cancelTimer()
      name.waiters.delete(waiter)
      this.#forget(name)
    }
  }

  #nameOf(name: string): Name {
    let known = this.#names.get(name)
    if (!known) {
      known = newName(name)
      this.#names.set(name, known)
    }
    return known
  }

  #begin(name: Name): void {
    const now = this.#clock.now()
    if (name.begunAt !== undefined || (name.failure && now - name.failedAt < MIN_RETRY_MS)) return
    name.begunAt = now
    name.cancelTimer()
    if (!name.addresses && !name.failure) {
      name.cancelTimer = this.#clock.after(SLOW_MS, () => {
        name.failure = new UnresolvedError(name.name, FIRST_WAIT_MS)
        this.#tellWatchers(name, name.failure.code)
      })
    }
    this.#queue.add(name)
  }

  // Called by the queue.

  onDone(name: Name, error: NodeJS.ErrnoException | undefined, addresses: readonly LookupAddress[]): void {
    name.begunAt = undefined
    name.cancelTimer()
    if (!error && addresses.length > 0) this.#onResolved(name, addresses)
    // An empty answer of the name servers means little while the system, which may know more, does not answer.
    else if (name.isHanging) this.#onUnresolved(name, new UnresolvedError(name.name, FIRST_WAIT_MS))
    else this.#onUnresolved(name, error ?? Object.assign(new Error('no address'), { code: 'ENODATA' }))
    this.#forget(name)
  }

  onLate(name: Name, addresses: readonly LookupAddress[]): void {
    if (addresses.length > 0) this.#onResolved(name, addresses)
    this.#forget(name)
  }

  #onResolved(name: Name, addresses: readonly LookupAddress[]): void {
    const isFirst = name.addresses === undefined
    name.addresses = addresses
    name.answeredAt = this.#clock.now()
    name.isDoubted = false
    name.failure = undefined
    name.failures = 0
    if (isFirst) this.#tellWatchers(name, undefined)
    for (const waiter of [...name.waiters]) waiter(undefined, addresses)
  }

  #onUnresolved(name: Name, cause: NodeJS.ErrnoException): void {
    const failure = new UnresolvedError(name.name, FIRST_WAIT_MS, cause)
    name.failure = failure
    name.failedAt = this.#clock.now()
    name.failures++
    name.isDoubted = false
    const { addresses } = name
    if (!addresses) {
      this.#tellWatchers(name, failure.code)
      if (name.watchers.size > 0) {
        const delay = Math.min(MAX_RETRY_MS, MIN_RETRY_MS * 2 ** (name.failures - 1))
        name.cancelTimer = this.#clock.after(delay, () => this.#begin(name))
      }
    }
    for (const waiter of [...name.waiters]) waiter(addresses ? undefined : failure, addresses ?? [])
  }

  #tellWatchers({ watchers }: Name, reason: string | undefined): void {
    for (const watcher of [...watchers]) watcher(reason)
  }

  /** Drops a name without watchers and waiters. */
  #forget(name: Name): void {
    if (name.watchers.size > 0 || name.waiters.size > 0 || name.isHanging) return
    // A name that is being looked up is dropped after that.
    if (name.begunAt !== undefined && !this.#queue.remove(name)) return
    name.cancelTimer()
    if (this.#names.get(name.name) === name) this.#names.delete(name.name)
  }
}
