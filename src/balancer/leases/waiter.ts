import type { Lease } from './lease.js'
import type { LeaseRequest } from './lease-request.js'
import type { Line, Waiting } from './waiting-lines.js'

/** A request in the queue. */
export class Waiter implements Waiting<Waiter> {
  readonly request: LeaseRequest
  readonly ticket: number
  /** Monotonic milliseconds at which the request began to wait. */
  readonly since: number
  /** Monotonic milliseconds at which the request's time is up. */
  readonly deadline: number
  state: 'waiting' | 'served' | 'gone' = 'waiting'
  /**
   * The lease that was reserved when a slot became free. It is delivered in a microtask, after the code that freed the
   * slot has finished.
   */
  lease: Lease | undefined = undefined
  line: Line<Waiter> | undefined = undefined
  previous: Waiter | undefined = undefined
  next: Waiter | undefined = undefined

  constructor(request: LeaseRequest, ticket: number, since: number, deadline: number) {
    this.request = request
    this.ticket = ticket
    this.since = since
    this.deadline = deadline
  }
}
