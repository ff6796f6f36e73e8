import type { Server as HttpServer } from 'node:http'
import { Server as NetServer } from 'node:net'
import { setImmediate } from 'node:timers/promises'

/** Number of turns of the event loop without a new connection after which listening ends. */
const QUIET_TURNS = 3
/** A turn that takes no longer leaves hardly any time for a connection to come between the last look and the end. */
const SHORT_TURN_MS = 0.25
/** After this time one turn without a new connection is enough, and after twice this time none is waited for. */
const PATIENCE_MS = 1000

/**
 * Stops listening once no connection waits to be accepted: the system would reset such a connection together with the
 * request on it. libuv accepts one connection in each turn of its loop, and connections that come while the rest of the
 * turn is worked off are seen in the next one only. `close` of `net.Server` is called, because `close` of an HTTP server
 * would also close its idle connections. It resolves once the address is free, to an object that tells when every
 * connection is closed.
 */
export async function stopAccepting(server: HttpServer): Promise<{ connectionsClosed: Promise<void> }> {
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
  const connectionsClosed = new Promise<void>((resolve) =>
    NetServer.prototype.close.call(server, () => resolve()),
  )
  return { connectionsClosed }
}
