import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ObserverGuard } from '../balancer/observer-guard.js'
import type { RequestObserver, RequestRecord } from './record.js'

/** Tells observers of a request that is over. One that throws, as a logger of the app may, does not stop the others. */
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
