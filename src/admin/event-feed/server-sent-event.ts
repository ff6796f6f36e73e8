import type { PoolChange, PoolSnapshot } from '../contract/pool-events.js'

/** A server-sent event in bytes, which all readers share. */
export function serverSentEvent(
  event: 'snapshot' | 'change',
  data: PoolSnapshot | PoolChange,
  id?: number,
): Buffer {
  return serverSentEventOf(event, [JSON.stringify(data)], id)
}

/** A server-sent event of data that is JSON already, in pieces. */
export function serverSentEventOf(
  event: 'snapshot' | 'change',
  data: readonly string[],
  id?: number,
): Buffer {
  const head = id === undefined ? '' : `id: ${id}\n`
  return Buffer.from(`${head}event: ${event}\ndata: ${data.join('')}\n\n`)
}
