import type { Server } from 'node:http'
import type { Socket } from 'node:net'

const recorded = new WeakMap<object, Set<Socket>>()

/** The open connections of a server that were made after the first call of this function for the server. */
export function openConnections(server: Server): ReadonlySet<Socket> {
  const known = recorded.get(server)
  if (known) return known
  const connections = new Set<Socket>()
  recorded.set(server, connections)
  const keep = (socket: Socket) => {
    // A connection whose upgrade was declined is passed to the server a second time.
    if (connections.has(socket)) return
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  }
  server.on('connection', keep)
  // With TLS, the requests arrive on the socket of this event.
  server.on('secureConnection', keep)
  return connections
}
