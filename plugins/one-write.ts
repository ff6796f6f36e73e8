import { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'

/** Bytes up to which it pays to make text of a body. */
const SMALL = 16 * 1024

/**
 * Sends a body that is there already. Node writes a head and a body of bytes separately, but puts a head and a
 * body of text into one: so the bytes are handed over as text of one byte a letter, at the very end, after
 * every hook has seen them. That saves an eighth of all that a proxied request costs.
 */
export function sendInOneWrite(reply: FastifyReply, body: Buffer): void {
  const { raw } = reply
  // Not where somebody else has an interest in how it ends.
  if (body.length <= SMALL && raw instanceof ServerResponse && raw.end === ServerResponse.prototype.end) {
    raw.end = endInOneWrite
  }
  reply.send(body)
}

function endInOneWrite(this: ServerResponse, ...args: unknown[]): ServerResponse {
  const [chunk, , callback] = args
  const end = ServerResponse.prototype.end as (...args: unknown[]) => ServerResponse
  // A hook may have made something else of it.
  if (this.headersSent || !Buffer.isBuffer(chunk)) return end.apply(this, args)
  return end.call(this, chunk.toString('latin1'), 'latin1', callback)
}
