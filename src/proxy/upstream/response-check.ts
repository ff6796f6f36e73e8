import type { Headers } from '../http/fields.js'
import { BadResponseError, ClosedError } from './failures/failures.js'
import { hasOption } from './transport/http1/persistence.js'

/**
 * Checks the head of a backend's response. Returns the fault for which the response must not be passed on, or undefined
 * if there is none.
 */
export function checkResponseHead(statusCode: number, headers: Headers): BadResponseError | undefined {
  if (statusCode < 200 || statusCode > 599) return new BadResponseError(`status ${statusCode} is none`)
  const coding = headers['transfer-encoding']
  // The gateway would have to decode any other transfer coding (RFC 9112 section 6.1).
  if (coding !== undefined && String(coding).toLowerCase() !== 'chunked') {
    return new BadResponseError(`transfer coding "${coding}" is not understood`)
  }
  return undefined
}

/**
 * Returns the error for a response that may not be one to the request: a backend may say 408 when it closes an idle
 * connection, and a request may be on its way then (RFC 9110 section 15.5.9). Otherwise returns undefined.
 */
export function idleNotice(statusCode: number, headers: Headers): ClosedError | undefined {
  if (statusCode !== 408 || !hasOption(headers.connection, 'close')) return undefined
  return new ClosedError('the backend said 408 and closed the connection')
}

/** Media types of streams in which each part is sent when an event occurs. */
const EVENT_TYPES = new Set([
  'application/json-seq',
  'application/jsonl',
  'application/jsonlines',
  'application/ndjson',
  'application/stream+json',
  'application/x-json-stream',
  'application/x-jsonlines',
  'application/x-ndjson',
  'multipart/x-mixed-replace',
  'text/event-stream',
])

/** Returns true if a response is a stream of events, in which silence means that nothing has happened. */
export function isQuietStream(headers: Headers): boolean {
  const type = headers['content-type']
  // A backend that sends a Content-Length has the whole body already, so it does not wait for events.
  if (typeof type !== 'string' || headers['content-length'] !== undefined) return false
  return isEventStreamType(type)
}

/** Whether a Content-Type is that of a stream of events. */
export function isEventStreamType(type: string): boolean {
  const essence = type.split(';', 1)[0] as string
  const name = essence.trim().toLowerCase()
  return EVENT_TYPES.has(name) || name.startsWith('application/grpc')
}
