// Over 200 lines: each way into and out of one queue, which share the state of its waiters.
import { type BalancerError, NoBackendError, QueueFullError, QueueTimeoutError } from '../errors.js'
import type { ObserverGuard } from '../observer-guard.js'
import type { Clock } from '../time/clock.js'
import type { Lease } from './lease.js'
import { deliver, type LeaseRequest, type LeaseSource } from './lease-request.js'
import { QueueTimer, type TimedQueue } from './queue-timer.js'
import { RetryAfter } from './retry-after.js'
import { type Waiting, WaitingLines } from './waiting-lines.js'

export interface QueueOptions {
  /** Requests that may wait; 0 for none. */
  limit: number
  /** Milliseconds that they may wait. */
  timeout: number
}

interface Waiter extends Waiting<Waiter> {
  readonly request: LeaseRequest
  /** When it began to wait, in monotonic milliseconds. */
  readonly since: number
  /** Monotonic milliseconds after which it has waited too long. */
  readonly deadline: number
  state: 'waiting' | 'served' | 'gone'
  /** Reserved when a slot is free, and delivered in a microtask, after the code that freed the slot has finished. */
  lease: Lease | undefined
}

/**
 * Requests that wait because every backend is at its limit, first come, first served. A slot that becomes free
 * belongs to the first in line from that moment on: nobody can come between.
 */
export class WaitQueue implements TimedQueue {
  readonly #options: QueueOptions
  readonly #clock: Clock
  readonly #source: LeaseSource
  readonly #observerGuard: ObserverGuard
  readonly #lines = new WaitingLines<Waiter>()
  readonly #timer: QueueTimer
  readonly #retryAfter: RetryAfter
  #length = 0
  #tickets = 0
  #isServing = false
  /** Why the queue serves no more requests; undefined while it does. */
  #closed: BalancerError | undefined

  constructor(options: QueueOptions, clock: Clock, source: LeaseSource, observerGuard: ObserverGuard) {
    this.#options = options
    this.#clock = clock
    this.#source = source
    this.#observerGuard = observerGuard
    this.#timer = new QueueTimer(this, clock)
    this.#retryAfter = new RetryAfter(options.timeout / 1000, clock)
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

  get firstDeadline(): number | undefined {
    return this.#lines.first?.deadline
  }

  /** A request was done, and its slot is free. */
  countDone(): void {
    this.#retryAfter.countDone()
  }

  /** Seconds, from 1 to 300, until those in line and one more would be served; see {@link RetryAfter}. */
  get retryAfter(): number {
    return this.#retryAfter.secondsFor(this.#length + 1)
  }

  /** Why a request may not join the line now; undefined where it may. */
  get refusal(): BalancerError | undefined {
    if (this.#closed) return this.#closed
    return this.isFull ? new QueueFullError(this.#options.limit, this.retryAfter) : undefined
  }

  /**
   * Puts a request at the end of the line, and tells it since when it waits.
   * @returns takes it out again, with whatever it was given meanwhile
   * @throws {QueueFullError | StoppedError}
   */
  join(request: LeaseRequest): () => void {
    if (this.refusal) throw this.refusal
    const now = this.#clock.now()
    request.queuedAt = now
    const waiter: Waiter = {
      request,
      ticket: ++this.#tickets,
      line: undefined,
      since: now,
      deadline: now + this.#options.timeout,
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
    this.#guarded(() => {
      this.#lines.startRound()
      for (let line = this.#lines.next(); line; line = this.#lines.next()) {
        const waiter = line.waiters.first as Waiter
        const lease = this.#source.choose(waiter.request, true, waiter.since)
        if (lease) this.#handOver(waiter, lease)
        else this.#lines.miss(line)
      }
    })
  }

  /** Serves requests where too many wait, because the first of them cannot wait for a better backend then. */
  relieve(): void {
    this.#guarded(() => {
      const { first } = this.#lines
      if (first) this.#serveNow(first)
    })
  }

  /** Refuses requests for which there is no backend left to wait for. */
  dismiss(): void {
    for (const { except, waiters } of [...this.#lines.all()]) {
      if (this.#source.hasOther(except)) continue
      for (let { first } = waiters; first; first = waiters.first) this.#refuse(first, new NoBackendError())
    }
  }

  /** Gives those that have waited too long what is left, or refuses them. @param now monotonic milliseconds */
  expire(now: number): void {
    this.#guarded(() => {
      for (let { first } = this.#lines; first && first.deadline <= now; first = this.#lines.first) {
        if (this.#serveNow(first)) continue
        this.#refuse(first, new QueueTimeoutError(this.#options.timeout, this.retryAfter))
      }
    })
  }

  /** Refuses all waiting requests, and all later ones. */
  close(reason: BalancerError): void {
    this.#closed = reason
    for (let { first } = this.#lines; first; first = this.#lines.first) this.#refuse(first, reason)
  }

  /** Serves a request that cannot wait any longer, and takes what should rest. Returns whether there was anything. */
  #serveNow(waiter: Waiter): boolean {
    const lease = this.#source.choose(waiter.request, false, waiter.since)
    if (lease) this.#handOver(waiter, lease)
    return lease !== undefined
  }

  #handOver(waiter: Waiter, lease: Lease): void {
    this.#remove(waiter)
    waiter.state = 'served'
    waiter.lease = lease
    // The code that freed the slot has not finished: for one thing, the connection that it used is not back yet.
    queueMicrotask(() => {
      waiter.lease = undefined
      if (waiter.state === 'gone') return
      if (lease.held) {
        this.#observerGuard.call(() => deliver(waiter.request, lease))
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
    queueMicrotask(() => this.#observerGuard.call(() => waiter.request.onReject(reason)))
  }

  #add(waiter: Waiter): void {
    this.#lines.add(waiter)
    this.#length++
    this.#timer.start()
  }

  #remove(waiter: Waiter): void {
    this.#lines.remove(waiter)
    this.#length--
    if (this.#length === 0) this.#timer.stop()
  }

  /** A lease that is taken changes the load, for which the queue would be served again: not before this is done. */
  #guarded(act: () => void): void {
    if (this.#isServing) return
    this.#isServing = true
    try {
      act()
    } finally {
      this.#isServing = false
    }
  }
}
