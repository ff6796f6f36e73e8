/** A server-sent event, made once and shared by all who read it. */
export function frame(event: 'snapshot' | 'change', data: object, id?: number): Buffer {
  const head = id === undefined ? '' : `id: ${id}\n`
  return Buffer.from(`${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
}
