import type { Headers } from '../http/fields.js'

/** Types of answers that come piece by piece, whenever there is something to tell. */
const TYPES = new Set([
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

/** Whether an answer is a stream in which silence means that nothing has happened, and not that something is wrong. */
export function isQuietStream(headers: Headers): boolean {
  const type = headers['content-type']
  // An answer with a length is no stream: its sender knows all of it.
  if (typeof type !== 'string' || headers['content-length'] !== undefined) return false
  const essence = type.split(';', 1)[0] as string
  const name = essence.trim().toLowerCase()
  return TYPES.has(name) || name.startsWith('application/grpc')
}
