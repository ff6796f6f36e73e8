import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { hadExchange, pendingOn } from './pipeline.js'

/** From this release of Node on `closeIdleConnections` also closes connections whose first request is on its way. */
const NODE_CLOSES_NEW_SINCE = 26

const connectionsOf = new WeakMap<object, Set<Socket>>()

/** Keeps the connections of a server, so that {@link closeIdle} can tell which are idle. */
export function watchConnections(server: Server): void {
  if (Number.parseInt(process.versions.node, 10) < NODE_CLOSES_NEW_SINCE || connectionsOf.has(server)) return
  const connections = new Set<Socket>()
  connectionsOf.set(server, connections)
  const keep = (socket: Socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  }
  server.on('connection', keep)
  // With TLS the requests are on the socket of this event.
  server.on('secureConnection', keep)
}

/** Closes the connections of a server on which a request was answered and none is under way; not those that were upgraded. */
export function closeIdle(server: Server): void {
  const connections = connectionsOf.get(server)
  // An HTTP/2 server has no such connections.
  if (!connections) server.closeIdleConnections?.()
  for (const socket of connections ?? []) {
    // Node takes its parser off a connection that it hands out for an upgrade.
    const { parser } = socket as Socket & { parser?: object | null }
    if (parser && hadExchange(socket) && pendingOn(socket) === 0) socket.destroy()
  }
}
