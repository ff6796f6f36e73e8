import { ServerResponse } from 'node:http'

const { write } = ServerResponse.prototype
const end = ServerResponse.prototype.end as (...args: unknown[]) => ServerResponse

/** Whether no other code has replaced the methods of a response in order to see what is written. */
export function isPlain(raw: ServerResponse): boolean {
  return raw.write === write && raw.end === end
}

/**
 * Replaces the method `end` of a response whose whole body is given to `end`, so that it is sent together with the
 * head. Node writes a head and a body of bytes in two pieces, but a head and a text in one. Therefore the bytes are
 * converted, at the very end, to text with one character for each byte. Saving one piece saves an eighth of the cost of
 * a proxied request.
 */
export function endInOneWrite(this: ServerResponse, ...args: unknown[]): ServerResponse {
  const [chunk, , callback] = args
  const { socket } = this
  // There is no socket while responses to earlier requests on the connection are still to be sent.
  if (!Buffer.isBuffer(chunk) || !socket || this.write !== write) return end.apply(this, args)
  // Writing before the end, and corked, keeps Node 20 from following the body with an empty write.
  socket.cork()
  write.call(this, chunk.toString('latin1'), 'latin1')
  socket.uncork()
  return callback ? end.call(this, callback) : end.call(this)
}
