import { type BalancerError, NoBackendError, QueueFullError, QueueTimeoutError } from '../errors.js'
import type { ObserverGuard } from '../observer-guard.js'
import { SlidingCount } from '../stats/sliding-count.js'
import type { Clock } from '../time/clock.js'
import type { Lease } from './lease.js'
import { grant, type LeaseRequest, type LeaseSource } from './lease-request.js'
import { Lines, type Waiting } from './waiting-lines.js'

export interface QueueOptions {
  /** Requests that may wait; 0 for none. */
  limit: number
  /** Milliseconds that they may wait. */
  timeout: number
}

interface Waiter extends Waiting<Waiter> {
  readonly taker: LeaseRequest
  /** When it began to wait, in monotonic milliseconds. */
  readonly since: number
  /** Monotonic milliseconds after which it has waited too long. */
  readonly deadline: number
  state: 'waiting' | 'granted' | 'gone'
  /** Held from the moment a slot was free; the taker learns of it once whoever freed it is done. */
  lease: Lease | undefined
}

/** Milliseconds over which the rate is measured at which requests are done. */
const WINDOW = 10_000
/** Milliseconds after which those in line are looked at again, though nothing happened. */
const LOOK = 100
/** Milliseconds by which the timer may be late. After more of them answers may have arrived that nobody has read yet. */
const LATE_MS = 50
/** Milliseconds in which such answers are read, before any request that waits is refused. */
const READING_MS = 10
/** Seconds that nobody is asked to wait longer than. */
const LONGEST = 300

/**
 * Requests that wait because every backend is at its limit, first come, first served. A slot that becomes free
 * belongs to the first in line from that moment on: nobody can come between.
 */
export class WaitQueue {
  readonly #options: QueueOptions
  readonly #clock: Clock
  readonly #source: LeaseSource
  readonly #observerGuard: ObserverGuard
  readonly #lines = new Lines<Waiter>()
  readonly #done: SlidingCount
  #length = 0
  #tickets = 0
  #cancelDeadline: (() => void) | undefined
  #serving = false
  /** Why nobody is served any more. */
  #closed: BalancerError | undefined

  constructor(options: QueueOptions, clock: Clock, source: LeaseSource, observerGuard: ObserverGuard) {
    this.#options = options
    this.#clock = clock
    this.#source = source
    this.#observerGuard = observerGuard
    this.#done = new SlidingCount(WINDOW, clock)
  }

  get length(): number {
    return this.#length
  }

  get isFull(): boolean {
    return this.#length >= this.#options.limit
  }

  get limit(): number {
    return this.#options.limit
  }

  /** A request was done, and its slot is free. */
  countDone(): void {
    this.#done.add()
  }

  /**
   * Seconds until those in line, and one more, would be served at the rate of the last ten seconds: 1 to 300.
   * Where none was served, as long as a request may wait.
   */
  get retryAfter(): number {
    const { rate } = this.#done
    const seconds = rate > 0 ? (this.#length + 1) / rate : this.#options.timeout / 1000
    return Math.min(LONGEST, Math.max(1, Math.ceil(seconds)))
  }

  /** Why a request may not join the line now; undefined where it may. */
  get refusal(): BalancerError | undefined {
    if (this.#closed) return this.#closed
    return this.isFull ? new QueueFullError(this.#options.limit, this.retryAfter) : undefined
  }

  /**
   * Puts a request at the end of the line.
   * @returns takes it out again, with whatever it was given meanwhile
   * @throws {QueueFullError | StoppedError}
   */
  join(taker: LeaseRequest): () => void {
    const { timeout } = this.#options
    const { refusal } = this
    if (refusal) throw refusal
    const now = this.#clock.now()
    const waiter: Waiter = {
      taker,
      ticket: ++this.#tickets,
      line: undefined,
      since: now,
      deadline: now + timeout,
      state: 'waiting',
      lease: undefined,
      previous: undefined,
      next: undefined,
    }
    this.#add(waiter)
    return () => {
      if (waiter.state === 'waiting') this.#remove(waiter)
      waiter.state = 'gone'
      waiter.lease?.release('cancelled')
    }
  }

  /** Gives what is free to who is next and may have it. */
  serve(): void {
    if (this.#length === 0 || !this.#source.hasCandidates) return
    this.#alone(() => {
      this.#lines.startRound()
      for (let line = this.#lines.next(); line; line = this.#lines.next()) {
        const waiter = line.waiters.first as Waiter
        const lease = this.#source.choose(waiter.taker, true, waiter.since)
        if (lease) this.#grant(waiter, lease)
        else this.#lines.miss(line)
      }
    })
  }

  /** Where too many wait, the first of them cannot wait for a better backend. */
  relieve(): void {
    this.#alone(() => {
      const { first } = this.#lines
      const lease = first && this.#source.choose(first.taker, false, first.since)
      if (first && lease) this.#grant(first, lease)
    })
  }

  /** Sends those away for whom there is nobody left to wait for. */
  dismiss(): void {
    for (const { except, waiters } of [...this.#lines.all()]) {
      if (this.#source.hasOther(except)) continue
      for (let { first } = waiters; first; first = waiters.first) this.#refuse(first, new NoBackendError())
    }
  }

  /** Sends everybody away, and whoever comes later. */
  close(reason: BalancerError): void {
    this.#closed = reason
    for (let { first } = this.#lines; first; first = this.#lines.first) this.#refuse(first, reason)
  }

  #grant(waiter: Waiter, lease: Lease): void {
    this.#remove(waiter)
    waiter.state = 'granted'
    waiter.lease = lease
    // Whoever freed the slot is not done: for one thing, the connection that it used is not back yet.
    queueMicrotask(() => {
      waiter.lease = undefined
      if (waiter.state === 'gone') return
      if (lease.held) {
        this.#observerGuard.call(() => grant(waiter.taker, lease))
      } else {
        // Its backend was removed in this very moment: it is first in line again.
        waiter.state = 'waiting'
        this.#add(waiter)
        if (this.#closed) return this.#refuse(waiter, this.#closed)
        this.serve()
      }
    })
  }

  #refuse(waiter: Waiter, reason: Error): void {
    this.#remove(waiter)
    waiter.state = 'gone'
    queueMicrotask(() => this.#observerGuard.call(() => waiter.taker.onReject(reason)))
  }

  #add(waiter: Waiter): void {
    this.#lines.add(waiter)
    this.#length++
    this.#watch()
  }

  #remove(waiter: Waiter): void {
    this.#lines.remove(waiter)
    this.#length--
    if (this.#length > 0) return
    this.#cancelDeadline?.()
    this.#cancelDeadline = undefined
  }

  /**
   * One timer for all: they may wait equally long, so that the first one's time is up first. And some limits
   * of backends change with time alone.
   */
  #watch(wasLate = false): void {
    if (this.#cancelDeadline) return
    const { first } = this.#lines
    if (!first) return
    const now = this.#clock.now()
    const delay = wasLate ? READING_MS : Math.max(0, Math.min(LOOK, first.deadline - now))
    this.#cancelDeadline = this.#clock.after(delay, () => {
      this.#cancelDeadline = undefined
      this.serve()
      const later = this.#clock.now()
      const isLate = !wasLate && later - (now + delay) > LATE_MS
      if (!isLate) this.#alone(() => this.#expire(later))
      this.#watch(isLate)
    })
  }

  #expire(now: number): void {
    const { timeout } = this.#options
    for (let { first } = this.#lines; first && first.deadline <= now; first = this.#lines.first) {
      const lease = this.#source.choose(first.taker, false, first.since)
      if (lease) this.#grant(first, lease)
      else this.#refuse(first, new QueueTimeoutError(timeout, this.retryAfter))
    }
  }

  /** A lease that is taken is a change, for which the queue is looked at again: not before this is done. */
  #alone(act: () => void): void {
    if (this.#serving) return
    this.#serving = true
    try {
      act()
    } finally {
      this.#serving = false
    }
  }
}
