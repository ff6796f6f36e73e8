import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { openConnections } from './open-connections.js'
import { hadExchange, pendingOn } from './pipeline.js'

/** First release of Node whose `closeIdleConnections` also closes connections whose first request is on its way. */
const NODE_CLOSES_NEW_SINCE = 26

const closesNew = Number.parseInt(process.versions.node, 10) >= NODE_CLOSES_NEW_SINCE

/** Prepares a server for {@link closeIdle}, which has to know the connections on releases of Node that close new ones. */
export function watchConnections(server: Server): void {
  if (closesNew) openConnections(server)
}

/**
 * Closes the idle connections of a server: a request on them was answered, and none is in flight. Upgraded connections
 * stay open.
 */
export function closeIdle(server: Server): void {
  if (!closesNew) {
    // HTTP/2 servers do not have this method.
    server.closeIdleConnections?.()
    return
  }
  for (const socket of openConnections(server)) {
    // Node removes its parser from a connection that it hands out for an upgrade.
    const { parser } = socket as Socket & { parser?: object | null }
    if (parser && hadExchange(socket) && pendingOn(socket) === 0) socket.destroy()
  }
}
