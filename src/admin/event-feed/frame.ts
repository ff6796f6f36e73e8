/** A server-sent event, made once and shared by all who read it. */
export function frame(event: 'snapshot' | 'change', data: object, id?: number): Buffer {
  return frameOf(event, [JSON.stringify(data)], id)
}

/** The same of data that is JSON already, in pieces. */
export function frameOf(event: 'snapshot' | 'change', data: readonly string[], id?: number): Buffer {
  const head = id === undefined ? '' : `id: ${id}\n`
  return Buffer.from(`${head}event: ${event}\ndata: ${data.join('')}\n\n`)
}
