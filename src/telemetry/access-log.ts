import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { RejectionObserver } from '../proxy/downstream/connection/early-rejection.js'
import { addressesOf, addressesOfPeer } from '../proxy/downstream/fields/client-origin.js'

import { receivedUnrouted } from '../proxy/downstream/fields/untrusted-fields.js'
import type { Trust } from '../proxy/http/trust.js'
import { pathOf } from '../text/printable.js'
import type { RequestObserver, RequestRecord } from './record.js'
import { withoutSecrets } from './redaction.js'
import { traceIdOf } from './trace-context.js'

/** The fields of a request's log line; a field that is not known, or does not apply, is null. */
type Line = { [N in keyof RequestRecord]: RequestRecord[N] | null } & {
  method: string | null
  /** Path of the request, without the query, which may contain secrets. */
  path: string | null
  /** Id of the trace that the client's `traceparent` names. */
  traceId: string | null
}

/**
 * Logs one line for each request when it is over. At the level `debug` the line also has the header fields of the
 * request and of the response, without secrets.
 */
export const logRequest: RequestObserver = (record, request, reply) => {
  const { log, raw } = request
  if (!isEnabled(log, 'info')) return
  // The fields are copied one by one, because V8 would turn a spread of this many fields into a slow dictionary.
  const line: Line = {
    method: request.method,
    path: pathOf(request.originalUrl),
    remoteAddress: record.remoteAddress,
    clientAddress: record.clientAddress,
    statusCode: record.statusCode,
    outcome: record.outcome,
    error: record.error,
    cause: record.cause,
    aborted: record.aborted,
    backend: record.backend,
    policy: record.policy,
    inFlight: record.inFlight,
    attempts: record.attempts,
    queueTime: round(record.queueTime),
    firstByteTime: record.firstByteTime === null ? null : round(record.firstByteTime),
    upstreamTime: record.upstreamTime === null ? null : round(record.upstreamTime),
    responseTime: round(record.responseTime),
    bytesIn: record.bytesIn,
    bytesOut: record.bytesOut,
    traceId: traceIdOf(raw.headers),
  }
  log.info(isEnabled(log, 'debug') ? { ...line, ...fieldsOf(request, reply) } : line, MESSAGE)
}

/** Logs the same line for requests that were rejected before any route saw them. */
export function logRejections(log: FastifyBaseLogger, trust: Trust): RejectionObserver {
  return ({ requestId, request, peer, statusCode, code, bytes }) => {
    const { method = null, url: target = null } = request ?? {}
    const addresses = request
      ? addressesOf(receivedUnrouted(request, peer, trust), trust)
      : addressesOfPeer(peer, trust)
    const line: Line = {
      method,
      path: target === null ? null : pathOf(target),
      ...addresses,
      statusCode,
      outcome: 'refused',
      error: code,
      cause: null,
      aborted: false,
      backend: null,
      policy: null,
      inFlight: null,
      attempts: 0,
      queueTime: 0,
      firstByteTime: null,
      upstreamTime: null,
      responseTime: null,
      bytesIn: 0,
      bytesOut: bytes,
      traceId: null,
    }
    log.info({ reqId: requestId, ...line }, MESSAGE)
  }
}

const MESSAGE = 'request'

/** Whether a level is logged. A logger of the app other than pino may not say; then `info` counts as logged. */
function isEnabled(log: FastifyBaseLogger, level: 'info' | 'debug'): boolean {
  const { isLevelEnabled } = log as { isLevelEnabled?: (level: string) => boolean }
  return isLevelEnabled?.call(log, level) ?? level === 'info'
}

function fieldsOf(request: FastifyRequest, reply: FastifyReply) {
  return {
    requestHeaders: withoutSecrets(request.raw.headers),
    responseHeaders: reply.raw.headersSent ? withoutSecrets(reply.getHeaders()) : null,
  }
}

/** Rounds milliseconds to whole microseconds. */
function round(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}
