import type { Server } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { pendingOn } from '../proxy/downstream/connection/pipeline.js'

/**
 * Milliseconds that a connection without a request stays open when the gateway closes. A client that is busy
 * sends its next request within that time, and is told with the answer that the connection closes; cut at
 * once, as Node does, its request would be lost on the way.
 */
const IDLE_GRACE = 1000

/** Closes each connection that has been without a request for that long. */
export function closeIdle(connections: ReadonlySet<Socket>): NodeJS.Timeout {
  const idle = new Map<Socket, { since: number; bytesRead: number }>()
  return setInterval(() => {
    const now = performance.now()
    for (const socket of connections) {
      const { bytesRead } = socket
      const known = idle.get(socket)
      if (pendingOn(socket) > 0) idle.delete(socket)
      // One that is sending the head of a request has HEADERS_TIMEOUT for it.
      else if (known?.bytesRead !== bytesRead) idle.set(socket, { since: now, bytesRead })
      else if (now - known.since >= IDLE_GRACE) socket.destroySoon()
    }
  }, 50)
}

/**
 * Stops listening, once there is no connection that was made and not accepted yet: it would be reset, with the
 * request that was sent on it. libuv accepts one in each turn of its loop. Nothing else is closed, as the idle
 * connections of an HTTP server are.
 */
export async function stopAccepting(server: Server): Promise<void> {
  let quiet = 0
  const accept = () => {
    quiet = 0
  }
  server.on('connection', accept)
  // The turn in which the signal came is not over.
  await setImmediate()
  // There may be no end of new connections.
  for (let turn = 0; turn < BACKLOG && quiet < 3; turn++) {
    quiet++
    await setImmediate()
  }
  server.off('connection', accept)
  await new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()))
}

/** Connections that may wait to be accepted, as Node asks for. */
const BACKLOG = 511

/** The open connections of a server. */
export function trackConnections(server: Server): Set<Socket> {
  const connections = new Set<Socket>()
  server.on('connection', (socket) => {
    // One whose upgrade was not granted is given to the server again.
    if (connections.has(socket)) return
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  return connections
}
