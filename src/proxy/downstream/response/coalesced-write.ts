import { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'

/** Bytes up to which it pays to make text of a body. */
const SMALL = 16 * 1024

const { write } = ServerResponse.prototype
const end = ServerResponse.prototype.end as (...args: unknown[]) => ServerResponse

/**
 * Sends a body that is there already, together with its head. Node writes a head and a body of bytes separately,
 * but puts a head and text into one; so the bytes are handed over as text of one byte a letter, at the very end.
 * One write less is an eighth of all that a proxied request costs.
 */
export function sendCoalesced(reply: FastifyReply, body: Buffer): void {
  const { raw } = reply
  if (body.length <= SMALL && raw instanceof ServerResponse && isUntouched(raw)) raw.end = endInOneWrite
  reply.send(body)
}

/** Whether nobody else has an interest in what is written. */
function isUntouched(raw: ServerResponse): boolean {
  return raw.write === write && raw.end === end
}

function endInOneWrite(this: ServerResponse, ...args: unknown[]): ServerResponse {
  const [chunk, , callback] = args
  const { socket } = this
  // Answers to what the client sent before may come first.
  if (!Buffer.isBuffer(chunk) || !socket || this.write !== write) return end.apply(this, args)
  // What is written before the end, and has left by then, Node 20 does not follow with an empty write.
  socket.cork()
  write.call(this, chunk.toString('latin1'), 'latin1')
  socket.uncork()
  return callback ? end.call(this, callback) : end.call(this)
}
