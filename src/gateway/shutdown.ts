import type { Server as HttpServer } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { StoppedError } from '../balancer/errors.js'
import { systemClock } from '../balancer/time/clock.js'
import { pendingOn } from '../proxy/downstream/connection/pipeline.js'

/**
 * Time that a connection without a request stays open when the gateway closes. A busy client sends its next request
 * within that time, and the response says that the connection closes. If the connection were cut at once, as Node does,
 * the client's next request could be lost.
 */
const IDLE_GRACE_MS = 1000
/** Interval in which idle connections are looked for. */
const IDLE_CHECK_INTERVAL_MS = 50
/** Time to write the last responses after the time limit of a shutdown. */
const LAST_RESPONSES_MS = 50
/** Number of turns of the event loop without a new connection after which listening ends. */
const QUIET_TURNS = 3
/** A turn that takes no longer leaves hardly any time for a connection to come between the last look and the end. */
const SHORT_TURN_MS = 0.25
/** After this time one turn without a new connection is enough, and after twice this time none is waited for. */
const PATIENCE_MS = 1000

/**
 * Accepts no new connection, waits until all requests are over, and cuts the remaining ones at the time limit.
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
    // The larger number counts: a client may still read a response that its backend has finished, and a backend may
    // still work for a client that left.
    const held = balancer.registry.list().reduce((sum, { leases }) => sum + leases.held, 0)
    cut = Math.max(pending, held)
    balancer.stop(new StoppedError('the gateway shut down'))
    // Requests that can still be answered get a response.
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
      // A connection that is sending the head of a request may take HEADERS_TIMEOUT for it.
      else if (known?.bytesRead !== bytesRead) idle.set(socket, { since: now, bytesRead })
      else if (now - known.since >= IDLE_GRACE_MS) socket.destroySoon()
    }
  }, IDLE_CHECK_INTERVAL_MS)
}

/**
 * Stops listening once no connection waits to be accepted: the system would reset such a connection together with the
 * request on it. libuv accepts one connection in each turn of its loop, and connections that come while the rest of the
 * turn is worked off are seen in the next one only. `close` of `net.Server` is called, because `close` of an HTTP server
 * would also close its idle connections.
 */
async function stopAccepting(server: HttpServer): Promise<void> {
  let quietTurns = 0
  const accept = () => {
    quietTurns = 0
  }
  server.on('connection', accept)
  // The turn of the loop in which the signal came is not over.
  await setImmediate()
  const start = performance.now()
  for (let isOver = false; !isOver; ) {
    const begin = performance.now()
    quietTurns++
    await setImmediate()
    const now = performance.now()
    const isShort = now - begin < SHORT_TURN_MS
    // The time is limited, because new connections may never stop coming.
    isOver =
      (quietTurns >= QUIET_TURNS && isShort) ||
      (quietTurns > 0 && now - start > PATIENCE_MS) ||
      now - start > 2 * PATIENCE_MS
  }
  server.off('connection', accept)
  await new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()))
}
