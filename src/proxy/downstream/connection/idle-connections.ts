import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { hadExchange, pendingOn } from './pipeline.js'

/** First release of Node whose `closeIdleConnections` also closes connections whose first request is on its way. */
const NODE_CLOSES_NEW_SINCE = 26

const connectionsOf = new WeakMap<object, Set<Socket>>()

/** Records the connections of a server, so that {@link closeIdle} can tell which are idle. */
export function watchConnections(server: Server): void {
  if (Number.parseInt(process.versions.node, 10) < NODE_CLOSES_NEW_SINCE || connectionsOf.has(server)) return
  const connections = new Set<Socket>()
  connectionsOf.set(server, connections)
  const keep = (socket: Socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  }
  server.on('connection', keep)
  // With TLS, the requests arrive on the socket of this event.
  server.on('secureConnection', keep)
}

/**
 * Closes the idle connections of a server: a request on them was answered, and none is in flight. Upgraded connections
 * stay open.
 */
export function closeIdle(server: Server): void {
  const connections = connectionsOf.get(server)
  // The connections of an HTTP/2 server are not recorded.
  if (!connections) server.closeIdleConnections?.()
  for (const socket of connections ?? []) {
    // Node removes its parser from a connection that it hands out for an upgrade.
    const { parser } = socket as Socket & { parser?: object | null }
    if (parser && hadExchange(socket) && pendingOn(socket) === 0) socket.destroy()
  }
}
