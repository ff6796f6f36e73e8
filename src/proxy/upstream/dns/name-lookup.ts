import type { LookupAddress } from 'node:dns'
import type { Clock } from '../../../balancer/time/clock.js'
import { UnresolvedError } from './unresolved-error.js'

type Answer = (error: NodeJS.ErrnoException | null, addresses: readonly LookupAddress[]) => void

/** Asks for all addresses of a name, in the order in which they are to be tried. */
export type LookUp = (name: string, done: Answer) => void

/** Takes the addresses of a name, or the reason why there are none. */
type Waiter = (error: UnresolvedError | undefined, addresses: readonly LookupAddress[]) => void

/** Told why a name that was never resolved cannot be, and with undefined once it is. */
export type Watcher = (reason: string | undefined) => void

/** Milliseconds for which an answer is used without a new look-up. */
const FRESH_MS = 2000
/** Milliseconds for which an answer is used while a new look-up is under way; with an older one the new one is waited for. */
const STALE_WHILE_REVALIDATE_MS = 10_000
/** Milliseconds that a new look-up is waited for where the last answer is older, or did not lead to the backend. */
const REFRESH_WAIT_MS = 500
/** Milliseconds that the first look-up of a name is waited for. */
const FIRST_WAIT_MS = 5000
/** Milliseconds of a first look-up after which watchers are told, so that requests that can go elsewhere do not wait. */
const SLOW_MS = 1000
/** Milliseconds from a look-up that failed to the next, at least. */
const MIN_RETRY_MS = 1000
/** Milliseconds between two look-ups of a name that fail, at most, while nobody asks for it; the time doubles each time. */
const MAX_RETRY_MS = 10_000
/** Look-ups at a time. They cannot be cancelled, and a thousand names would be in the way of one that is needed. */
const MAX_LOOK_UPS = 8
/** Milliseconds after which a look-up is taken to hang, and not counted among those any more. */
const HANG_MS = 1000

interface Entry {
  readonly name: string
  /** The last good answer. It is kept whatever becomes of later look-ups. */
  addresses: readonly LookupAddress[] | undefined
  answeredAt: number
  /** Whether a connection to these addresses has failed since. */
  doubted: boolean
  /** When the look-up began that is under way. */
  begunAt: number | undefined
  /** The system was asked, and has not answered for so long that somebody else was asked, too. */
  hangs: boolean
  /** Why the last look-up failed, and when. */
  failure: UnresolvedError | undefined
  failedAt: number
  /** Look-ups that failed in a row. */
  failures: number
  readonly waiters: Set<Waiter>
  readonly watchers: Set<Watcher>
  cancelTimer: () => void
}

/**
 * The addresses of names, one look-up of a name at a time. The system's resolver may fail, or take ten seconds, while
 * the backends are well: so the last good answer is used for as long as there is no newer one.
 */
export class NameLookup {
  readonly #lookUp: LookUp
  readonly #direct: LookUp | undefined
  readonly #clock: Clock
  readonly #entries = new Map<string, Entry>()
  /** Names that are to be looked up: those that a request waits for, which come first, and all others. */
  readonly #urgent = new Set<Entry>()
  readonly #line = new Set<Entry>()
  #running = 0

  /**
   * @param lookUp asks the system
   * @param direct asks where the system hangs; what it finds is used, and that it finds nothing means nothing
   */
  constructor(lookUp: LookUp, clock: Clock, direct?: LookUp) {
    this.#lookUp = lookUp
    this.#clock = clock
    this.#direct = direct
  }

  /** Looks a name up and keeps its addresses until the watcher leaves; one that cannot be resolved is tried again. */
  watch(name: string, watcher: Watcher): () => void {
    const entry = this.#entry(name)
    entry.watchers.add(watcher)
    if (!entry.addresses && entry.failure) watcher(entry.failure.code)
    if (!entry.addresses) this.#begin(entry)
    return () => {
      entry.watchers.delete(watcher)
      this.#drop(entry)
    }
  }

  /** The last good answer, however old. */
  last(name: string): readonly LookupAddress[] | undefined {
    return this.#entries.get(name)?.addresses
  }

  /**
   * Calls back with addresses that are as new as can be had without much waiting.
   * @returns stops waiting; undefined where it was called back at once
   */
  resolve(name: string, done: Waiter): (() => void) | undefined {
    const entry = this.#entry(name)
    if (!this.#isFresh(entry)) this.#begin(entry)
    const left = this.#waitFor(entry)
    const { addresses } = entry
    if (!addresses || left > 0) return this.#join(entry, left, done)
    done(undefined, addresses)
    return undefined
  }

  /** The last answer did not lead to the backend: it may have moved. */
  doubt(name: string): void {
    const entry = this.#entries.get(name)
    if (!entry?.addresses || this.#clock.now() - entry.answeredAt < MIN_RETRY_MS) return
    entry.doubted = true
    this.#begin(entry)
  }

  #isFresh({ addresses, answeredAt, doubted }: Entry): boolean {
    return addresses !== undefined && !doubted && this.#clock.now() - answeredAt < FRESH_MS
  }

  /** Milliseconds for which the look-up that is under way is waited for; 0 or less for not at all. */
  #waitFor({ addresses, answeredAt, doubted, begunAt, failure }: Entry): number {
    if (begunAt === undefined) return 0
    const now = this.#clock.now()
    if (!addresses) return begunAt + FIRST_WAIT_MS - now
    // Names that failed to be looked up just before will hardly do better now.
    if (failure || (!doubted && now - answeredAt < STALE_WHILE_REVALIDATE_MS)) return 0
    return begunAt + REFRESH_WAIT_MS - now
  }

  #join(entry: Entry, left: number, done: Waiter): () => void {
    let cancel = () => {}
    const waiter: Waiter = (error, addresses) => {
      cancel()
      entry.waiters.delete(waiter)
      done(error, addresses)
    }
    entry.waiters.add(waiter)
    if (this.#line.delete(entry)) this.#urgent.add(entry)
    // A failure that is known already is told by a timer as well: the caller has yet to take what this returns.
    cancel = this.#clock.after(Math.max(0, left), () => {
      if (entry.addresses) waiter(undefined, entry.addresses)
      else waiter(entry.failure ?? new UnresolvedError(entry.name, FIRST_WAIT_MS), [])
    })
    return () => {
      cancel()
      entry.waiters.delete(waiter)
      this.#drop(entry)
    }
  }

  #entry(name: string): Entry {
    let entry = this.#entries.get(name)
    if (!entry) {
      entry = {
        name,
        addresses: undefined,
        answeredAt: 0,
        doubted: false,
        begunAt: undefined,
        hangs: false,
        failure: undefined,
        failedAt: 0,
        failures: 0,
        waiters: new Set(),
        watchers: new Set(),
        cancelTimer() {},
      }
      this.#entries.set(name, entry)
    }
    return entry
  }

  #begin(entry: Entry): void {
    const now = this.#clock.now()
    if (entry.begunAt !== undefined || (entry.failure && now - entry.failedAt < MIN_RETRY_MS)) return
    entry.begunAt = now
    entry.cancelTimer()
    // Whoever watches learns of a look-up that hangs, too.
    if (!entry.addresses && !entry.failure) {
      entry.cancelTimer = this.#clock.after(SLOW_MS, () => {
        entry.failure = new UnresolvedError(entry.name, FIRST_WAIT_MS)
        this.#tellUnresolved(entry, entry.failure)
      })
    }
    this.#line.add(entry)
    this.#next()
  }

  /** Begins as many look-ups as may be under way. Those come first that somebody waits for. */
  #next(): void {
    while (this.#running < MAX_LOOK_UPS) {
      const [entry] = this.#urgent.size > 0 ? this.#urgent : this.#line
      if (!entry) return
      this.#leaveLine(entry)
      this.#start(entry)
    }
  }

  #leaveLine(entry: Entry): boolean {
    return this.#urgent.delete(entry) || this.#line.delete(entry)
  }

  #start(entry: Entry): void {
    this.#running++
    let counted = true
    const uncount = () => {
      if (!counted) return
      counted = false
      this.#running--
      this.#next()
    }
    let over = false
    const done: Answer = (error, addresses) => {
      if (over) return
      over = true
      entry.begunAt = undefined
      entry.cancelTimer()
      if (error || addresses.length === 0) this.#failed(entry, error ?? undefined)
      else this.#succeeded(entry, addresses)
      this.#drop(entry)
      uncount()
    }
    if (entry.hangs) {
      // The system is asked once at a time, however long it takes.
      this.#direct?.(entry.name, (_error, addresses) => {
        if (addresses.length > 0) done(null, addresses)
        else done(new UnresolvedError(entry.name, FIRST_WAIT_MS), [])
      })
      return
    }
    const cancelHang = this.#clock.after(HANG_MS, () => {
      uncount()
      if (!this.#direct) return
      entry.hangs = true
      // It does not know all that the system knows; so what it does not find may be there.
      this.#direct(entry.name, (_error, addresses) => {
        if (addresses.length > 0) done(null, addresses)
      })
    })
    const answered: Answer = (error, addresses) => {
      cancelHang()
      entry.hangs = false
      if (!over) done(error, addresses)
      else if (!error && addresses.length > 0) this.#succeeded(entry, addresses)
      this.#drop(entry)
    }
    try {
      this.#lookUp(entry.name, answered)
    } catch (error) {
      answered(error as Error, [])
    }
  }

  #succeeded(entry: Entry, addresses: readonly LookupAddress[]): void {
    const first = entry.addresses === undefined
    entry.addresses = addresses
    entry.answeredAt = this.#clock.now()
    entry.doubted = false
    entry.failure = undefined
    entry.failures = 0
    if (first) for (const watcher of [...entry.watchers]) watcher(undefined)
    for (const waiter of [...entry.waiters]) waiter(undefined, addresses)
  }

  #failed(entry: Entry, cause: NodeJS.ErrnoException | undefined): void {
    const failure = new UnresolvedError(
      entry.name,
      FIRST_WAIT_MS,
      cause ?? Object.assign(new Error('no address'), { code: 'ENODATA' }),
    )
    entry.failure = failure
    entry.failedAt = this.#clock.now()
    entry.failures++
    entry.doubted = false
    const { addresses } = entry
    if (!addresses) {
      this.#tellUnresolved(entry, failure)
      if (entry.watchers.size > 0) {
        const delay = Math.min(MAX_RETRY_MS, MIN_RETRY_MS * 2 ** (entry.failures - 1))
        entry.cancelTimer = this.#clock.after(delay, () => this.#begin(entry))
      }
    }
    for (const waiter of [...entry.waiters]) waiter(addresses ? undefined : failure, addresses ?? [])
  }

  #tellUnresolved({ watchers }: Entry, failure: UnresolvedError): void {
    for (const watcher of [...watchers]) watcher(failure.code)
  }

  /** Forgets a name that nobody is interested in. */
  #drop(entry: Entry): void {
    if (entry.watchers.size > 0 || entry.waiters.size > 0 || entry.hangs) return
    // The entry of a look-up that is under way is dropped when that is over.
    if (entry.begunAt !== undefined && !this.#leaveLine(entry)) return
    entry.cancelTimer()
    if (this.#entries.get(entry.name) === entry) this.#entries.delete(entry.name)
  }
}
