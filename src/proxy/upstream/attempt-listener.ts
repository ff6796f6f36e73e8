import type { Backend } from '../../balancer/backends/backend.js'
import type { Lease } from '../../balancer/leases/lease.js'
import type { UpstreamResponse } from '../http/response.js'

/** The part of an attempt that its listener can see. */
export interface AttemptState {
  readonly lease: Lease
  readonly backend: Backend
  /** Whether the backend may have seen something of the request. */
  readonly isSent: boolean
  /** Whether some of the request's body was read, so that it can be sent to no other backend. */
  readonly isBodyTaken: boolean
  /** Whether only the connection was to blame for a failure, and the backend may be well. */
  isConnectionFault(error: Error): boolean
}

/** Is called with the result of an attempt: a response or an error, or neither where protocols are switched. */
export interface AttemptListener {
  /** Whether a response with this status is not passed on, because another backend is asked instead. */
  rejects(attempt: AttemptState, statusCode: number): boolean
  /** The head of a response has come, which is delivered soon. */
  onResponse(attempt: AttemptState): void
  deliver(response: UpstreamResponse): void
  onFailed(attempt: AttemptState, error: Error): void
  /** Whether the gateway is shutting down, and waits only for tunnels that still make progress. */
  isShuttingDown(): boolean
}
