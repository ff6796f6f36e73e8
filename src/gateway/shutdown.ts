import type { Server as HttpServer } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { StoppedError } from '../balancer/errors.js'
import { systemClock } from '../balancer/time/clock.js'
import { pendingOn } from '../proxy/downstream/connection/pipeline.js'

/**
 * Time that a connection without a request stays open when the gateway closes. A client that is busy sends its next
 * request within that time, and is told with the response that the connection closes; cut at once, as Node does, its
 * request would be lost on the way.
 */
const IDLE_GRACE_MS = 1000
/** How often idle connections are looked for. */
const IDLE_CHECK_INTERVAL_MS = 50
/** Time for the responses that are written when the time of a shutdown is up. */
const LAST_RESPONSES_MS = 50
/** Connections that may wait to be accepted, as Node asks for. */
const BACKLOG = 511

/** The open connections of a server. */
export function trackConnections(server: HttpServer): Set<Socket> {
  const connections = new Set<Socket>()
  server.on('connection', (socket) => {
    // One whose upgrade was not granted is given to the server again.
    if (connections.has(socket)) return
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  return connections
}

/**
 * Accepts no new connection, waits until all requests are over, and cuts those that are left when the time is up.
 * @param timeout milliseconds
 * @returns how many requests were cut
 */
export async function finishRequests(
  { server, balancer }: FastifyInstance,
  connections: ReadonlySet<Socket>,
  timeout: number,
): Promise<number> {
  let cut = 0
  balancer.startClosing()
  const closed = stopAccepting(server)
  const cancelDeadline = systemClock.after(timeout, () => {
    let pending = 0
    for (const socket of connections) pending += pendingOn(socket)
    // A client may still read what its backend is done with, and a backend work for one that left.
    cut = Math.max(pending, balancer.registry.inFlight)
    balancer.stop(new StoppedError('the gateway shut down'))
    // Those that can still be answered are.
    setTimeout(() => {
      for (const socket of connections) socket.destroy()
    }, LAST_RESPONSES_MS)
  })
  const reaper = closeIdle(connections)
  await closed
  clearInterval(reaper)
  cancelDeadline()
  return cut
}

/** Closes each connection that has been without a request for {@link IDLE_GRACE_MS}. */
function closeIdle(connections: ReadonlySet<Socket>): NodeJS.Timeout {
  const idle = new Map<Socket, { since: number; bytesRead: number }>()
  return setInterval(() => {
    const now = performance.now()
    for (const socket of connections) {
      const { bytesRead } = socket
      const known = idle.get(socket)
      if (pendingOn(socket) > 0) idle.delete(socket)
      // One that is sending the head of a request has HEADERS_TIMEOUT for it.
      else if (known?.bytesRead !== bytesRead) idle.set(socket, { since: now, bytesRead })
      else if (now - known.since >= IDLE_GRACE_MS) socket.destroySoon()
    }
  }, IDLE_CHECK_INTERVAL_MS)
}

/**
 * Stops listening, once no connection is left that was made and not accepted yet: it would be reset, with the request
 * that was sent on it. libuv accepts one in each turn of its loop. Nothing else is closed: `close` of an HTTP server
 * would close its idle connections, too, so the one of `net.Server` is called.
 */
async function stopAccepting(server: HttpServer): Promise<void> {
  let quietTurns = 0
  const accept = () => {
    quietTurns = 0
  }
  server.on('connection', accept)
  // The turn in which the signal came is not over.
  await setImmediate()
  // There may be no end of new connections.
  for (let turn = 0; turn < BACKLOG && quietTurns < 3; turn++) {
    quietTurns++
    await setImmediate()
  }
  server.off('connection', accept)
  await new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()))
}
