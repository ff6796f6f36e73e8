import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Balancer } from '../balancer/balancer.js'
import type { ObserverGuard } from '../balancer/observer-guard.js'
import { downstreamOf, type HttpDownstream } from '../proxy/downstream/downstream.js'
import { addressesOf } from '../proxy/downstream/fields/client-origin.js'
import { receivedFrom } from '../proxy/downstream/fields/untrusted-fields.js'
import type { Statuses } from '../proxy/http/status-ranges.js'
import type { Trust } from '../proxy/http/trust.js'
import { type RequestObserver, type RequestRecord, recordOf } from './record.js'
import { RequestSpan } from './tracing/request-span.js'

export interface RecorderOptions {
  balancer: Balancer
  observers: readonly RequestObserver[]
  /** Which proxies are trusted to say where a request came from. */
  trust: Trust
  /** Statuses of responses that count as gateway failures. */
  isFailure: Statuses
}

/** Makes the function that passes each finished request to the observers of a pool. */
export function requestRecorder({ balancer, observers, trust, isFailure }: RecorderOptions) {
  return (request: FastifyRequest, reply: FastifyReply): void => {
    const downstream = downstreamOf(request) as HttpDownstream
    const span = downstream.trace instanceof RequestSpan ? downstream.trace : undefined
    if (observers.length === 0 && !span?.isRecording) {
      span?.end(request)
      return
    }
    // A request that was not forwarded has no addresses yet.
    const addresses = downstream.addresses ?? addressesOf(receivedFrom(request, downstream.peer), trust)
    const record = recordOf(request, reply, balancer, addresses, isFailure, downstream.arrivedAt)
    tellObservers(observers, record, request, reply, balancer.observerGuard)
    span?.end(request, record)
  }
}

/**
 * Calls the observers with a request that is over. An observer that throws, for example a logger of the app, does not
 * stop the others.
 */
export function tellObservers(
  observers: readonly RequestObserver[],
  record: RequestRecord,
  request: FastifyRequest,
  reply: FastifyReply,
  guard: ObserverGuard,
): void {
  for (const observe of observers) {
    try {
      observe(record, request, reply)
    } catch (error) {
      guard.complain(error)
    }
  }
}
