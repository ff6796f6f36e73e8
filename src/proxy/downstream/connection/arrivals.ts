import type { Server } from 'node:http'
import { protocolOf } from '../protocol-of.js'

const watched = new WeakSet<object>()

/**
 * Notes the requests of a server as they arrive, before any hook: they would otherwise stand in the order in which
 * asynchronous hooks of the app let them through, and could wait for each other.
 */
export function watchArrivals(server: Server): void {
  if (watched.has(server)) return
  watched.add(server)
  server.prependListener('request', (request, response) => protocolOf(request).arrived(request, response))
}
