import type { Backend } from '../../balancer/backends/backend.js'
import type { Lease } from '../../balancer/leases/lease.js'
import type { UpstreamResponse } from '../http/response.js'
import type { RejectedResponseError } from './failures/failures.js'

/** The state of an attempt that its listener can read. */
export interface AttemptState {
  readonly lease: Lease
  readonly backend: Backend
  /** True if the backend may have seen some of the request. */
  readonly isSent: boolean
  /** True if some of the request's body was read, so that the request can be sent to no other backend. */
  readonly isBodyTaken: boolean
  /** Returns true if only the connection was to blame for an error, so that the backend may be well. */
  isConnectionFault(error: Error): boolean
}

/** Receives the result of an attempt: a response or an error, or neither of them if protocols are switched. */
export interface AttemptListener {
  /** Returns true if the request is sent again on another connection, as only the connection was to blame. */
  resends(attempt: AttemptState, error: Error): boolean
  /** Returns the error for a response that is not passed on, because another backend is asked; otherwise undefined. */
  rejects(attempt: AttemptState, statusCode: number): RejectedResponseError | undefined
  /** Called when the head of a response has come. The response is delivered soon after. */
  onResponse(attempt: AttemptState): void
  deliver(response: UpstreamResponse): void
  onFailed(attempt: AttemptState, error: Error): void
  /** Returns true if the gateway is shutting down and waits only for tunnels that still make progress. */
  isShuttingDown(): boolean
}
