import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Cause } from '../balancer/leases/outcome.js'
import type { Clock } from '../balancer/time/clock.js'
import { contextOf, type ProxyContext } from '../proxy/context.js'
import { rejectionOf } from '../proxy/downstream/connection/early-rejection.js'
import { downstreamOf } from '../proxy/downstream/downstream.js'
import { codeOf } from '../proxy/downstream/errors/error-response.js'
import { toGatewayError } from '../proxy/downstream/errors/gateway-error.js'
import type { Addresses } from '../proxy/downstream/fields/client-origin.js'
import { routeOf } from '../proxy/http/route.js'
import type { Statuses } from '../proxy/http/status-ranges.js'
import { BackendTimeoutError } from '../proxy/upstream/failures/failures.js'

/**
 * How a proxied request ended for its client. `ok`: a backend answered it, and not with a gateway failure. `failed`: a
 * backend had it, and the client got a gateway failure or a response that was cut. `refused`: the gateway answered it
 * itself, for a reason that has to do with no backend. `cancelled`: the client left, or a response that had begun well
 * was silent for longer than BODY_TIMEOUT.
 */
export type RequestOutcome = 'ok' | 'failed' | 'refused' | 'cancelled'

/** The result of a proxied request, known when the request is over. Times are milliseconds. */
export interface RequestRecord extends Addresses {
  /** Status of the response; null where no response was begun. */
  statusCode: number | null
  outcome: RequestOutcome
  /** Error code, `LEASTWISE_…`, if the gateway answered itself or cut the response; null otherwise. */
  error: string | null
  /**
   * Why the last failed attempt failed, whether or not another backend answered afterwards; null where no attempt
   * failed.
   */
  cause: Cause | null
  /** Whether the client has no complete response. */
  aborted: boolean
  /** Id of the backend that had the request last; null where none did. */
  backend: string | null
  /** The policy that chose the backend; null where the request went to no pool. */
  policy: string | null
  /** Name of the route; null where there are no routes, or none took the request. */
  route: string | null
  /** Name of the pool that the route gave the request to; null where there are no routes, or it went to no pool. */
  pool: string | null
  /** Requests in flight on this backend when it was chosen, this request included. */
  inFlight: number | null
  /** Number of backends that were asked, in turn or concurrently. */
  attempts: number
  /** Time in the queue, for the first lease and for further ones after a failure; 0 for most requests. */
  queueTime: number
  /** Time from the request's arrival to the head of a backend's response; null where none came. */
  firstByteTime: number | null
  /** How long the last backend had the request, from the moment when it was asked. */
  upstreamTime: number | null
  /** Time from the request's arrival to its end. */
  responseTime: number
  /** Bytes of the request's body that were passed on. */
  bytesIn: number
  /** Bytes of the response's body that came. */
  bytesOut: number
}

/** Called once for every proxied request, when it is over for its client, however it ended. */
export type RequestObserver = (record: RequestRecord, request: FastifyRequest, reply: FastifyReply) => void

/**
 * @param isFailure whether a backend's answer of that status is a gateway failure
 * @param arrivedAt by the balancer's clock; where a backend may have had the request
 */
export function recordOf(
  request: FastifyRequest,
  reply: FastifyReply,
  { clock, policy }: { clock: Clock; policy: string | null },
  { remoteAddress, clientAddress }: Addresses,
  isFailure: Statuses = () => false,
  arrivedAt?: number,
): RequestRecord {
  const now = clock.now()
  const context = contextOf(request)
  const downstream = downstreamOf(request)
  const queuedAt = downstream?.queuedAt ?? 0
  const route = routeOf(request.raw)?.name ?? null
  const raw: Raw = reply.raw
  const switched = context?.isTunnel === true
  const aside = raw.headersSent ? undefined : rejectionOf(request.raw)
  const statusCode = switched ? 101 : raw.headersSent ? raw.statusCode : (aside?.statusCode ?? null)
  const aborted = !raw.writableFinished && !switched && !aside
  // A request may have had a lease although no backend was asked.
  const asked = context && context.attempts > 0 ? context : undefined
  const own = aside?.code ?? codeOf(request)
  const error = context?.responseError ? toGatewayError(context.responseError).code : own
  const responseTime = reply.elapsedTime
  const { lease } = asked ?? {}
  const dispatchedAt = lease?.dispatchedAt
  return {
    remoteAddress,
    clientAddress,
    statusCode,
    outcome: outcomeOf(asked, isFailure, statusCode, aborted, error),
    error: error ?? null,
    cause: context?.cause ?? null,
    aborted,
    backend: lease?.backend.id ?? null,
    policy: context?.policy ?? policy,
    route,
    pool: route === null ? null : (downstream?.target.pool ?? null),
    inFlight: lease?.inFlight ?? null,
    attempts: context?.attempts ?? 0,
    queueTime: (queuedAt > 0 ? (context?.leasedAt ?? now) - queuedAt : 0) + (context?.requeueTime ?? 0),
    // The time is not computed from now, because a response may have been complete for a while when this is recorded.
    firstByteTime:
      asked?.respondedAt === undefined || arrivedAt === undefined ? null : asked.respondedAt - arrivedAt,
    upstreamTime:
      dispatchedAt === undefined ? null : (lease?.held ? now : (asked?.endedAt ?? now)) - dispatchedAt,
    responseTime,
    bytesIn: context?.bytesIn ?? 0,
    bytesOut: aside?.bytes ?? (context?.responseHead && !own ? context.bytesOut : lengthOf(reply)),
  }
}

type Raw = Pick<ServerResponse<IncomingMessage>, 'headersSent' | 'statusCode' | 'writableFinished'>

function outcomeOf(
  asked: ProxyContext | undefined,
  isFailure: Statuses,
  statusCode: number | null,
  aborted: boolean,
  error: string | undefined,
): RequestOutcome {
  if (aborted) return asked?.responseError && !isSilence(asked.responseError) ? 'failed' : 'cancelled'
  const status = statusCode ?? 0
  if (error !== undefined)
    return asked && status >= 500 && error !== 'LEASTWISE_OVERLOADED' ? 'failed' : 'refused'
  return isFailure(status) ? 'failed' : 'ok'
}

/** Whether a response was cut because its backend was silent for too long; the backend may have had nothing to send. */
function isSilence(broken: Error): boolean {
  return broken instanceof BackendTimeoutError && broken.waitingFor === 'body'
}

/** Length of the body of a response that the gateway or the app made. */
function lengthOf(reply: FastifyReply): number {
  const { raw, request } = reply
  return raw.headersSent && request.method !== 'HEAD' ? Number(reply.getHeader('content-length') ?? 0) : 0
}
