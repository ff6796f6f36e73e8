import type { Headers } from '../http/fields.js'
import { BadResponseError } from './failures/failures.js'

/**
 * Finds a fault in the head of a backend's response, which must not be passed on then; undefined where there is none.
 */
export function checkResponseHead(statusCode: number, headers: Headers): BadResponseError | undefined {
  if (statusCode < 200 || statusCode > 599) return new BadResponseError(`status ${statusCode} is none`)
  const coding = headers['transfer-encoding']
  // A gateway would have to undo any other coding (RFC 9112 section 6.1).
  if (coding !== undefined && String(coding).toLowerCase() !== 'chunked') {
    return new BadResponseError(`transfer coding "${coding}" is not understood`)
  }
  return undefined
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

/** Whether a response is a stream of events, in which silence means that nothing has happened. */
export function isQuietStream(headers: Headers): boolean {
  const type = headers['content-type']
  // A backend that names the length has all of the body already.
  if (typeof type !== 'string' || headers['content-length'] !== undefined) return false
  const essence = type.split(';', 1)[0] as string
  const name = essence.trim().toLowerCase()
  return EVENT_TYPES.has(name) || name.startsWith('application/grpc')
}
