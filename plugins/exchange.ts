import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'

const open = new WeakMap<Socket, Set<() => void>>()

/**
 * Calls `callback` exactly once, when the exchange is over for the client: its response was written, or it
 * left. The response's `close` is not enough: Node 20 does not emit it for a pipelined request whose turn to
 * be answered had not come when the socket died. The socket is looked up now, because undici takes it off a
 * request whose body it was given.
 */
export function whenOver(request: FastifyRequest, reply: FastifyReply, callback: () => void): void {
  const { socket } = request.raw
  const exchanges = open.get(socket) ?? listen(socket)
  const over = () => {
    if (exchanges.delete(over)) callback()
  }
  exchanges.add(over)
  reply.raw.once('close', over)
  if (socket.destroyed) over()
}

/** How many exchanges are under way on a connection; more than one where a client sends requests ahead. */
export function openOn(socket: Socket): number {
  return open.get(socket)?.size ?? 0
}

/** One listener for each connection, not for each request on it. */
function listen(socket: Socket): Set<() => void> {
  const exchanges = new Set<() => void>()
  open.set(socket, exchanges)
  socket.once('close', () => {
    for (const over of exchanges) over()
  })
  return exchanges
}
