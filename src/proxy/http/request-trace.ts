import type { FastifyRequest } from 'fastify'
import type { Lease } from '../../balancer/leases/lease.js'
import type { FieldLines } from './fields.js'

/** Begins the traces of the requests of one route. */
export interface RequestTracer {
  /** Begins the trace of a request that has just arrived; undefined where nobody records traces. */
  begin(request: FastifyRequest): RequestTrace | undefined
}

/** The part of a distributed trace that one proxied request is. */
export interface RequestTrace {
  readonly traceId: string
  /**
   * Notes that a backend is asked.
   * @param request its `fields` are replaced by fields from which the backend learns of the trace
   */
  startAttempt(request: TracedRequest, lease: Lease): void
  /**
   * Notes that a backend is done with the request. Further calls have no effect.
   * @param error why there is no complete response; undefined if there is one
   */
  endAttempt(lease: Lease, error: Error | undefined): void
}

/** What is read of a proxied request when a backend is asked, and when the backend is done. */
export interface TracedRequest {
  readonly method: string
  readonly path: string
  readonly policy: string
  /** Number of attempts so far, the current one included. */
  readonly attempts: number
  /** The lease of the attempt whose response is passed on, once there is one. */
  readonly lease: Lease
  /** The lease of the hedge, as long as no attempt has a response. */
  readonly hedge: Lease | undefined
  readonly responseHead: { readonly statusCode: number } | undefined
  readonly isTunnel: boolean
  fields: FieldLines
}
