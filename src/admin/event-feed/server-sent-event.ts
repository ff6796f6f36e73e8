import type { PoolChange, PoolSnapshot } from '../contract/pool-events.js'

/** Serialises a server-sent event once, as bytes that are sent to all readers. */
export function serverSentEvent(
  event: 'snapshot' | 'change',
  data: PoolSnapshot | PoolChange,
  id?: number,
): Buffer {
  return serverSentEventOf(event, [JSON.stringify(data)], id)
}

/** Makes a server-sent event of pieces of text that together are one JSON document. */
export function serverSentEventOf(
  event: 'snapshot' | 'change',
  data: readonly string[],
  id?: number,
): Buffer {
  const head = id === undefined ? '' : `id: ${id}\n`
  return Buffer.from(`${head}event: ${event}\ndata: ${data.join('')}\n\n`)
}
