import type { LookupAddress } from 'node:dns'
import type { Clock } from '../../../balancer/time/clock.js'
import { type LookUp, type LookupListener, LookupQueue } from './lookup-queue.js'
import { type Name, newName, type Waiter, type Watcher } from './name.js'
import { UnresolvedError } from './unresolved-error.js'

/** Milliseconds for which the addresses of a name are used without a new look-up. */
const FRESH_MS = 2000
/** Milliseconds for which addresses are used while a new look-up is under way. Later, requests wait for the look-up. */
const STALE_WHILE_REVALIDATE_MS = 10_000
/**
 * Longest time in milliseconds that a request waits for a new look-up if the addresses are older than
 * `STALE_WHILE_REVALIDATE_MS`, or did not lead to the backend.
 */
const REFRESH_WAIT_MS = 500
/** Longest time in milliseconds that a request waits for the first look-up of a name. */
const FIRST_WAIT_MS = 5000
/** Milliseconds after which watchers are told that a first look-up is slow, so that requests do not wait for it. */
const SLOW_MS = 1000
/** Shortest time in milliseconds from a failed look-up to the next look-up of the same name. */
const MIN_RETRY_MS = 1000
/** Longest time in milliseconds between two failed look-ups of a watched name. The time doubles with each failure. */
const MAX_RETRY_MS = 10_000

/**
 * Keeps the addresses of names, with one look-up of a name at a time. The system's resolver may fail, or take ten
 * seconds, while the backends are well, so the last good addresses are used as long as there are no newer ones.
 */
export class NameLookup implements LookupListener<Name> {
  readonly #clock: Clock
  readonly #names = new Map<string, Name>()
  readonly #queue: LookupQueue<Name>

  /**
   * @param lookUp asks the system for a name's addresses
   * @param direct asks the name servers if the system hangs
   */
  constructor(lookUp: LookUp, clock: Clock, direct?: LookUp) {
    this.#clock = clock
    this.#queue = new LookupQueue(lookUp, direct, clock, this)
  }

  /**
   * Looks up a name and keeps its addresses. The look-up is repeated if the name cannot be resolved.
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

  /** Returns the addresses of the last successful look-up of a name, however old they are. */
  last(name: string): readonly LookupAddress[] | undefined {
    return this.#names.get(name)?.addresses
  }

  /**
   * Calls back with the newest addresses of a name that can be had without a long wait.
   * @returns a function that ends the wait; undefined if `done` was called at once
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

  /** Starts a new look-up of a name, because a connection to its last addresses failed: the backend may have moved. */
  doubt(name: string): void {
    const known = this.#names.get(name)
    if (!known?.addresses || this.#clock.now() - known.answeredAt < MIN_RETRY_MS) return
    known.isDoubted = true
    this.#begin(known)
  }

  #isFresh({ addresses, answeredAt, isDoubted }: Name): boolean {
    return addresses !== undefined && !isDoubted && this.#clock.now() - answeredAt < FRESH_MS
  }

  /** Returns the milliseconds to wait for the look-up that is under way; 0 or less for no wait. */
  #waitFor({ addresses, answeredAt, isDoubted, begunAt, failure }: Name): number {
    if (begunAt === undefined) return 0
    const now = this.#clock.now()
    if (!addresses) return begunAt + FIRST_WAIT_MS - now
    // A name whose last look-up failed will hardly be found now.
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
    // Even a known failure is reported by a timer, because the caller does not have the returned function yet.
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

  // The queue calls the following methods.

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

  /** Drops a name that has no watcher and no waiter left. */
  #forget(name: Name): void {
    if (name.watchers.size > 0 || name.waiters.size > 0 || name.isHanging) return
    // A name that is being looked up is dropped when its look-up has ended.
    if (name.begunAt !== undefined && !this.#queue.remove(name)) return
    name.cancelTimer()
    if (this.#names.get(name.name) === name) this.#names.delete(name.name)
  }
}
