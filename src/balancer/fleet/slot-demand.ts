import type { Backend } from '../backends/backend.js'
import { RecentPeak } from './recent-peak.js'
import type { SlotGrant, SlotRequest } from './slot-store.js'

/** Slots are needed for as many requests as there were at once in this time. */
const NEED_WINDOW_MS = 500
/** Slots that nobody else needs are kept for as many requests as there were at once in this time. */
const PEAK_WINDOW_MS = 10_000
/** The part of the needed slots that is wanted beyond them, so that the next request finds one; at least one slot. */
const RESERVE_RATIO = 0.25
/** Nothing is kept in reserve for so long after another gateway has needed slots. */
const SHORTAGE_MS = 1000
/** A gateway that has never had an answer waits for one for so long, unless the store is away. */
const PATIENCE_MS = 5000
/** Time after which slots that were not granted are asked for again, if nothing tells that there are any. */
const RETRY_MS = 250

/** The slots of one backend that this gateway may use, and those that it should ask for. */
export class SlotDemand {
  readonly url: string
  /** The registered backend; undefined where it was removed, or has no limit any more. */
  #backend: Backend | undefined
  /** Backends of this URL that were removed, and the requests in flight on each when they were last counted. */
  readonly #removed = new Map<Backend, number>()
  #limit = 0
  /** Slots that may be used, those of requests on removed backends included. */
  #usable = 0
  /** True once the store has answered; see {@link unanswered} for the time before. */
  #isKnown = false
  readonly #need = new RecentPeak(NEED_WINDOW_MS, 2)
  readonly #peak = new RecentPeak(PEAK_WINDOW_MS, 10)
  #needed = 0
  #wanted = 0
  /** What the store knows; undefined before the first answer, and after a call whose answer was lost. */
  #told: Pick<SlotRequest, 'held' | 'needed' | 'wanted'> | undefined
  #askedAt = Number.NEGATIVE_INFINITY
  /** Since when the store has not answered; undefined once it has. */
  #unansweredSince: number | undefined
  #shortageUntil = Number.NEGATIVE_INFINITY
  #hasNews = false

  constructor(url: string) {
    this.url = url
  }

  /** The registered backend that has the slots. */
  get backend(): Backend | undefined {
    return this.#backend
  }

  /** The slots beyond which this gateway has no request in flight. */
  get held(): number {
    return Math.max(this.#usable, this.#inFlight)
  }

  /** True if neither this gateway nor the store has anything to remember. */
  get isOver(): boolean {
    const isForgotten = this.#told ? this.#told.held === 0 : this.#askedAt === Number.NEGATIVE_INFINITY
    return !this.#backend && this.held === 0 && isForgotten
  }

  /** Takes over a backend that is registered, or its present limit. */
  follow(backend: Backend): void {
    if (this.#backend !== backend) this.leave()
    this.#backend = backend
    this.#limit = backend.maxConnections
    this.#usable = Math.min(this.#usable, this.#limit)
  }

  /** Gives up all slots, because the backend was removed or has no limit any more. */
  leave(): void {
    const backend = this.#backend
    if (backend && !backend.isRegistered && backend.inFlight > 0) this.#removed.set(backend, backend.inFlight)
    this.#backend = undefined
    this.#usable = this.#removedInFlight()
  }

  /**
   * Looks at the requests in flight.
   * @param waiting number of requests that wait for this backend
   * @param now monotonic milliseconds
   */
  measure(waiting: number, now: number): void {
    const removed = this.#removedInFlight()
    const backend = this.#backend
    if (!backend) {
      this.#usable = removed
      this.#needed = 0
      this.#wanted = 0
      return
    }
    const need = removed + backend.inFlight + waiting
    this.#need.add(need, now)
    this.#peak.add(need, now)
    this.#needed = Math.min(this.#limit, this.#need.max(now))
    this.#wanted = this.#needed
    if (now < this.#shortageUntil || (backend.state !== 'active' && !backend.keepsKeys)) return
    const reserve = Math.max(1, Math.ceil(RESERVE_RATIO * this.#needed))
    this.#wanted = Math.min(this.#limit, Math.max(this.#needed + reserve, this.#peak.max(now)))
  }

  /** Returns true if the store should be asked before the next heartbeat. */
  isDue(now: number): boolean {
    const told = this.#told
    if (!told) return now - this.#askedAt >= RETRY_MS
    const isShortage = !this.#backend || now < this.#shortageUntil
    if (isShortage && Math.max(Math.min(this.#usable, this.#wanted), this.#inFlight) < told.held) return true
    if (this.#needed > this.#usable) {
      return this.#needed > told.needed || this.#hasNews || now - this.#askedAt >= RETRY_MS
    }
    if (this.#hasNews && told.held > 0) return true
    return !isShortage && this.#inFlight >= this.#usable && this.#wanted > told.wanted
  }

  /** Returns what to ask the store for. What is not wanted is given back with it, and not used from now on. */
  request(now: number): SlotRequest {
    this.#usable = Math.min(this.#usable, this.#isKnown ? this.#wanted : this.#inFlight)
    this.#hasNews = false
    this.#askedAt = now
    const { url, held } = this
    return { url, limit: this.#limit, held, needed: this.#needed, wanted: this.#wanted }
  }

  /** Returns a request that gives back everything. */
  resignation(): SlotRequest {
    return { url: this.url, limit: this.#limit, held: 0, needed: 0, wanted: 0 }
  }

  /** Takes over the answer to a request. */
  granted({ needed, wanted }: SlotRequest, { slots, share }: SlotGrant, now: number): void {
    this.#isKnown = true
    this.#told = { held: slots, needed, wanted }
    if (share < slots) this.#shortageUntil = now + SHORTAGE_MS
    this.#usable = this.#backend ? Math.min(share, this.#limit) : this.#removedInFlight()
  }

  /**
   * Notes that the store did not answer. A gateway that it has never answered keeps to the limit by itself, once the
   * store is known to be away, or has refused to answer for a while.
   */
  unanswered(isAway: boolean, now: number): void {
    this.#told = undefined
    this.#unansweredSince ??= now
    if (this.#isKnown || !this.#backend) return
    if (isAway || now - this.#unansweredSince >= PATIENCE_MS) this.#usable = this.#limit
  }

  /** Notes that others need slots, or have given some back. */
  hear(now: number): void {
    this.#hasNews = true
    this.#shortageUntil = now + SHORTAGE_MS
  }

  /** Brings the slots into force. Returns the backend if it has another number of them now. */
  apply(): Backend | undefined {
    const backend = this.#backend
    if (!backend) return undefined
    const before = backend.slots
    backend.leasedSlots = Math.max(0, this.#usable - this.#removedInFlight())
    return backend.slots === before ? undefined : backend
  }

  get #inFlight(): number {
    return this.#removedInFlight() + (this.#backend?.inFlight ?? 0)
  }

  /** Returns the number of requests in flight on removed backends. */
  #removedInFlight(): number {
    let sum = 0
    for (const [backend, before] of this.#removed) {
      // Where threads share the pool, the count may be that of another backend once it was 0.
      const inFlight = Math.min(before, backend.inFlight)
      if (inFlight === 0) this.#removed.delete(backend)
      else this.#removed.set(backend, inFlight)
      sum += inFlight
    }
    return sum
  }
}
