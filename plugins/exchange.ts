import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'

type Exchanges = Map<FastifyReply['raw'], (() => void)[]>

const open = new WeakMap<Socket, Exchanges>()

/**
 * Calls `callback` exactly once, when the exchange is over for the client: its response was written, or it
 * left. The response's `close` is not enough: Node 20 does not emit it for a pipelined request whose turn to
 * be answered had not come when the socket died. The socket is looked up now, because undici takes it off a
 * request whose body it was given.
 */
export function whenOver(request: FastifyRequest, reply: FastifyReply, callback: () => void): void {
  const { socket } = request.raw
  const { raw } = reply
  const exchanges = open.get(socket) ?? listen(socket)
  const callbacks = exchanges.get(raw)
  if (callbacks) {
    callbacks.push(callback)
  } else {
    exchanges.set(raw, [callback])
    raw.once('close', () => end(exchanges, raw))
  }
  if (socket.destroyed || raw.destroyed) end(exchanges, raw)
}

/** How many exchanges are under way on a connection; more than one where a client sends requests ahead. */
export function openOn(socket: Socket): number {
  return open.get(socket)?.size ?? 0
}

/** One listener for each connection, not for each request on it. */
function listen(socket: Socket): Exchanges {
  const exchanges: Exchanges = new Map()
  open.set(socket, exchanges)
  socket.once('close', () => {
    for (const raw of exchanges.keys()) end(exchanges, raw)
  })
  return exchanges
}

function end(exchanges: Exchanges, raw: FastifyReply['raw']): void {
  const callbacks = exchanges.get(raw)
  exchanges.delete(raw)
  for (const callback of callbacks ?? []) callback()
}
