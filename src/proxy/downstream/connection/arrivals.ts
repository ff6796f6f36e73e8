import type { Server } from 'node:http'
import { protocolOf } from '../protocol-of.js'

const watched = new WeakSet<object>()

/**
 * Records the requests of a server in the order in which they arrive, before any hook. Otherwise their order would be
 * the one in which asynchronous hooks of the app let them through, and requests could wait for each other.
 */
export function watchArrivals(server: Server): void {
  if (watched.has(server)) return
  watched.add(server)
  server.prependListener('request', (request, response) => protocolOf(request).arrived(request, response))
}
