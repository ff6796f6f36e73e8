import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import type { RejectionObserver } from '../proxy/downstream/connection/early-rejection.js'
import { downstreamOf } from '../proxy/downstream/downstream.js'
import { addressesOf, addressesOfPeer } from '../proxy/downstream/fields/client-origin.js'
import { receivedUnrouted } from '../proxy/downstream/fields/untrusted-fields.js'
import type { Trust } from '../proxy/http/trust.js'
import { pathOf } from '../text/printable.js'
import { type Line, lineOf, textOf } from './access-line.js'
import type { RequestObserver } from './record.js'
import { withoutSecrets } from './redaction.js'
import { INFO_AS_TEXT, type TextLogger } from './text-logger.js'
import { traceIdOf } from './trace-context.js'

/**
 * Logs one line for each request when it is over. At the level `debug` the line also has the header fields of the
 * request and of the response, without secrets.
 */
export const logRequest: RequestObserver = (record, request, reply) => {
  const { log, raw } = request
  if (!isEnabled(log, 'info')) return
  const path = pathOf(request.originalUrl)
  const traceId = downstreamOf(request)?.trace?.traceId ?? traceIdOf(raw.headers)
  const isDebug = isEnabled(log, 'debug')
  if (!isDebug && (log as Partial<TextLogger>)[INFO_AS_TEXT]) {
    const text = textOf(record, request.method, path, traceId)
    ;(log as unknown as TextLogger)[INFO_AS_TEXT](text, MESSAGE)
    return
  }
  const line = lineOf(record, request.method, path, traceId)
  log.info(isDebug ? { ...line, ...fieldsOf(request, reply) } : line, MESSAGE)
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
