// Over 200 lines: every way into and out of one queue; all of them share the state of its waiters.
import { type BalancerError, NoBackendError, QueueFullError, QueueTimeoutError } from '../errors.js'
import { Exclusive } from '../structures/exclusive.js'
import { Deadlines } from './deadlines.js'
import type { Lease } from './lease.js'
import { deliver, type LeaseRequest } from './lease-request.js'
import type { CalledQueue, OtherQueues } from './other-queues.js'
import type { QueueOptions, QueueParts } from './queue-parts.js'
import { QueueTimer, type TimedQueue } from './queue-timer.js'
import { RetryAfter } from './retry-after.js'
import { Waiter } from './waiter.js'
import { ANY_BACKEND, WaitingLines } from './waiting-lines.js'

/**
 * Requests that wait because every backend is at its limit, first come, first served. A slot that becomes free is
 * reserved at once for the first request in line that may use it, so no later request can take it.
 */
export class WaitQueue implements TimedQueue, CalledQueue {
  #limit: number
  readonly #parts: QueueParts
  readonly #lines = new WaitingLines<Waiter>()
  readonly #deadlines: Deadlines
  readonly #timer: QueueTimer
  readonly #retryAfter: RetryAfter
  /** The queues of other threads that share the pool; undefined where there are none. */
  readonly #others: OtherQueues | undefined
  /** Number of requests that wait in this thread. */
  #length = 0
  #tickets = 0
  /**
   * While the queue is served, it is not served again: taking a lease changes the load, which would otherwise serve it
   * from within itself.
   */
  readonly #serving = new Exclusive()
  /** The reason for which the queue was closed; undefined while it is open. */
  #closed: BalancerError | undefined

  constructor(options: QueueOptions, parts: QueueParts) {
    this.#limit = options.limit
    this.#deadlines = new Deadlines(this.#lines, options.timeout)
    this.#parts = parts
    this.#timer = new QueueTimer(this, parts.clock)
    this.#retryAfter = new RetryAfter(options.timeout / 1000, parts.done)
    this.#others = parts.others
    this.#others?.begin(this)
  }

  /** Takes other options. Requests that wait already stay, for as long as they might. */
  configure({ limit, timeout }: QueueOptions): void {
    this.#limit = limit
    this.#deadlines.configure(timeout, this.#tickets)
    this.#retryAfter.fallback = timeout / 1000
  }

  /** Number of requests that wait, in all threads that share the pool. */
  get length(): number {
    return this.#others ? this.#others.waiting : this.#length
  }

  get isFull(): boolean {
    return this.length >= this.#limit
  }

  /** True if a request that comes now must leave a free slot to one that waits in another thread. */
  get isBehindOthers(): boolean {
    return this.#others !== undefined && this.length > 0 && !this.#others.isTurnOf(this.#parts.clock.now())
  }

  get limit(): number {
    return this.#limit
  }

  get firstDeadline(): number | undefined {
    return this.#deadlines.next?.deadline
  }

  /** Counts a request that finished and so freed its slot. */
  countDone(): void {
    this.#retryAfter.countDone()
  }

  /** Whole seconds, from 1 to 300, until all waiting requests and one more would be served; see {@link RetryAfter}. */
  get retryAfter(): number {
    return this.#retryAfter.secondsFor(this.length + 1)
  }

  /** The error with which a request that wants to join is refused now; undefined where it may join. */
  get refusal(): BalancerError | undefined {
    if (this.#closed) return this.#closed
    return this.isFull ? new QueueFullError(this.#limit, this.retryAfter) : undefined
  }

  /**
   * Puts a request at the end of the line, and sets its `queuedAt`.
   * @returns a function that takes the request out of the queue, and releases a lease that was reserved for it
   *   meanwhile
   * @throws {QueueFullError | StoppedError}
   */
  join(request: LeaseRequest): () => void {
    if (this.refusal) throw this.refusal
    const now = this.#parts.clock.now()
    // Another thread was quicker to take the last place.
    if (this.#others?.enter(this.#limit, now) === false) return this.join(request)
    request.queuedAt = now
    const waiter = new Waiter(request, ++this.#tickets, now, this.#deadlines.from(now))
    this.#add(waiter)
    this.#parts.onJoin?.()
    // No thread calls for a slot that became free before this request was counted.
    if (this.#others) this.serve()
    return () => {
      if (waiter.state === 'waiting') this.#remove(waiter)
      waiter.state = 'gone'
      waiter.lease?.release('cancelled')
    }
  }

  /** Says that a slot became free, or that another backend may be used, and serves the queue. */
  freed(): void {
    this.#others?.renew()
    this.serve()
  }

  /**
   * Gives free slots to waiting requests, in order of arrival, where a request may use the backend. A slot that belongs
   * to a request of another thread is left to that one.
   */
  serve(): void {
    const others = this.#others
    if (this.#serving.isRunning || (this.#length === 0 && !others)) return
    others?.look()
    if (!this.#parts.source.hasCandidates) return
    this.#serving.run(() => {
      let hasMissed = false
      this.#lines.startRound()
      for (let line = this.#lines.next(); line; line = this.#lines.next()) {
        const waiter = line.waiters.first as Waiter
        if (others?.isTurnOf(waiter.since) === false) return others.passOn(waiter.since)
        const lease = this.#parts.source.choose(waiter.request, true, waiter.since)
        if (lease) {
          this.#handOver(waiter, lease)
        } else {
          this.#lines.miss(line)
          hasMissed ||= line.key === ANY_BACKEND
        }
      }
      if (this.#length > 0) others?.missed()
      // Where there was no backend for a request that may use any, there is none for others either.
      if (!hasMissed) others?.passOn()
    })
  }

  serveByTimer(): void {
    const waiting = this.#length
    const isExpected = this.#others?.isCalling
    this.freed()
    if (isExpected === false) this.#others?.servedByTimer(waiting - this.#length)
  }

  /**
   * Serves the first request even from a backend that should rest. It is called where too many requests wait, so that
   * the first one cannot wait for a better backend.
   */
  relieve(): void {
    this.#serving.run(() => {
      const { first } = this.#lines
      this.#others?.renew()
      if (this.#others?.isTurnOf(first ? first.since : this.#parts.clock.now()) === false) {
        this.#others.passOn(first?.since)
      } else if (first) this.#serveNow(first)
    })
  }

  /** Refuses waiting requests for which there is no backend left to wait for. */
  dismiss(): void {
    for (const { except, waiters } of [...this.#lines.all()]) {
      if (this.#parts.source.hasOther(except)) continue
      for (let { first } = waiters; first; first = waiters.first) this.#refuse(first, new NoBackendError())
    }
  }

  /**
   * Handles requests whose time is up: each gets a lease, even on a backend that should rest, or is refused.
   * @param now monotonic milliseconds
   */
  expire(now: number): void {
    this.#serving.run(() => {
      for (let { next } = this.#deadlines; next && next.deadline <= now; next = this.#deadlines.next) {
        if (this.#serveNow(next)) continue
        this.#refuse(next, new QueueTimeoutError(next.deadline - next.since, this.retryAfter))
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
    const lease = this.#parts.source.choose(waiter.request, false, waiter.since)
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
        this.#parts.observerGuard.call(() => deliver(waiter.request, lease))
      } else {
        // The backend was removed in the meantime, so the request is first in line again.
        waiter.state = 'waiting'
        this.#others?.enter(Number.POSITIVE_INFINITY, waiter.since)
        this.#add(waiter)
        if (this.#closed) return this.#refuse(waiter, this.#closed)
        this.serve()
      }
    })
  }

  #refuse(waiter: Waiter, reason: Error): void {
    this.#remove(waiter)
    waiter.state = 'gone'
    queueMicrotask(() => this.#parts.observerGuard.call(() => waiter.request.onReject(reason)))
  }

  #add(waiter: Waiter): void {
    this.#lines.add(waiter)
    this.#length++
    this.#others?.firstSince((this.#lines.first as Waiter).since)
    this.#timer.start()
  }

  #remove(waiter: Waiter): void {
    this.#lines.remove(waiter)
    this.#length--
    this.#others?.leave(this.#lines.first?.since)
    if (this.#length === 0) this.#timer.stop()
  }
}
