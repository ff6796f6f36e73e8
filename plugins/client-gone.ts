import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'

const waiting = new WeakMap<Socket, Set<() => void>>()

/**
 * Calls `callback` once the exchange is over for the client: its response was written, or it left. The
 * response's `close` is not enough: Node 20 does not emit it for a pipelined request whose turn to be
 * answered had not come when the socket died. The socket is looked up now, because undici takes it off a
 * request whose body it was given.
 */
export function whenClientGone(request: FastifyRequest, reply: FastifyReply, callback: () => void): void {
  const { socket } = request.raw
  let callbacks = waiting.get(socket)
  if (!callbacks) {
    callbacks = new Set()
    waiting.set(socket, callbacks)
    // One listener for each connection, not for each request on it.
    socket.once('close', () => {
      for (const pending of waiting.get(socket) ?? []) pending()
    })
  }
  callbacks.add(callback)
  reply.raw.once('close', () => {
    waiting.get(socket)?.delete(callback)
    callback()
  })
  if (socket.destroyed) callback()
}
