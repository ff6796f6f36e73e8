// Over 200 lines: every way into and out of one queue; all of them share the state of its waiters.
import { type BalancerError, NoBackendError, QueueFullError, QueueTimeoutError } from '../errors.js'
import type { ObserverGuard } from '../observer-guard.js'
import type { Clock } from '../time/clock.js'
import type { Lease } from './lease.js'
import { deliver, type LeaseRequest, type LeaseSource } from './lease-request.js'
import { QueueTimer, type TimedQueue } from './queue-timer.js'
import { RetryAfter } from './retry-after.js'
import { type Waiting, WaitingLines } from './waiting-lines.js'

export interface QueueOptions {
  /** Largest number of waiting requests; 0 for no queue. */
  limit: number
  /** Milliseconds that a request may wait. */
  timeout: number
}

interface Waiter extends Waiting<Waiter> {
  readonly request: LeaseRequest
  /** Monotonic milliseconds at which the request began to wait. */
  readonly since: number
  /** Monotonic milliseconds at which the request's time is up. */
  readonly deadline: number
  state: 'waiting' | 'served' | 'gone'
  /**
   * The lease that was reserved when a slot became free. It is delivered in a microtask, after the code that freed the
   * slot has finished.
   */
  lease: Lease | undefined
}

/**
 * Requests that wait because every backend is at its limit, first come, first served. A slot that becomes free is
 * reserved at once for the first request in line that may use it, so no later request can take it.
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
  /** The reason for which the queue was closed; undefined while it is open. */
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

  /** Counts a request that finished and so freed its slot. */
  countDone(): void {
    this.#retryAfter.countDone()
  }

  /** Whole seconds, from 1 to 300, until all waiting requests and one more would be served; see {@link RetryAfter}. */
  get retryAfter(): number {
    return this.#retryAfter.secondsFor(this.#length + 1)
  }

  /** The error with which a request that wants to join is refused now; undefined where it may join. */
  get refusal(): BalancerError | undefined {
    if (this.#closed) return this.#closed
    return this.isFull ? new QueueFullError(this.#options.limit, this.retryAfter) : undefined
  }

  /**
   * Puts a request at the end of the line, and sets its `queuedAt`.
   * @returns a function that takes the request out of the queue, and releases a lease that was reserved for it
   *   meanwhile
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

  /** Gives free slots to waiting requests, in order of arrival, where a request may use the backend. */
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

  /**
   * Serves the first request even from a backend that should rest. It is called where too many requests wait, so that
   * the first one cannot wait for a better backend.
   */
  relieve(): void {
    this.#guarded(() => {
      const { first } = this.#lines
      if (first) this.#serveNow(first)
    })
  }

  /** Refuses waiting requests for which there is no backend left to wait for. */
  dismiss(): void {
    for (const { except, waiters } of [...this.#lines.all()]) {
      if (this.#source.hasOther(except)) continue
      for (let { first } = waiters; first; first = waiters.first) this.#refuse(first, new NoBackendError())
    }
  }

  /**
   * Handles requests whose time is up: each gets a lease, even on a backend that should rest, or is refused.
   * @param now monotonic milliseconds
   */
  expire(now: number): void {
    this.#guarded(() => {
      for (let { first } = this.#lines; first && first.deadline <= now; first = this.#lines.first) {
        if (this.#serveNow(first)) continue
        this.#refuse(first, new QueueTimeoutError(this.#options.timeout, this.retryAfter))
      }
    })
  }

  /** Refuses all waiting requests with this reason, and all later requests. */
  close(reason: BalancerError): void {
    this.#closed = reason
    for (let { first } = this.#lines; first; first = this.#lines.first) this.#refuse(first, reason)
  }

  /**
   * Serves a request that can wait no longer, if need be from a backend that should rest. Returns true if a lease was
   * found.
   */
  #serveNow(waiter: Waiter): boolean {
    const lease = this.#source.choose(waiter.request, false, waiter.since)
    if (lease) this.#handOver(waiter, lease)
    return lease !== undefined
  }

  #handOver(waiter: Waiter, lease: Lease): void {
    this.#remove(waiter)
    waiter.state = 'served'
    waiter.lease = lease
    // Delivery waits for the code that freed the slot to finish: the connection that it used may not be free yet.
    queueMicrotask(() => {
      waiter.lease = undefined
      if (waiter.state === 'gone') return
      if (lease.held) {
        this.#observerGuard.call(() => deliver(waiter.request, lease))
      } else {
        // The backend was removed in the meantime, so the request is first in line again.
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

  /**
   * Runs an action during which the queue is not served again. Taking a lease changes the load, which would otherwise
   * serve the queue from within itself.
   */
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
