import type { Connections } from './connections.js'
import { NodeRequest } from './node-request.js'
import type { Transport, UpstreamRequest } from './transport.js'

/**
 * Chooses the HTTP client that sends a request: undici's client for most requests, because it takes less CPU time, and
 * Node's client for everything that undici's client cannot do.
 * @param maxBody largest size of the request's body in bytes; 0 for no limit
 * @param isFresh true if the connection must be a new one, which the backend cannot have closed meanwhile
 */
export function transportFor(
  connections: Connections,
  { method, body, upgrade, takesTrailers }: UpstreamRequest,
  maxBody: number,
  isFresh: boolean,
): Transport {
  const isOrdinary = method === 'GET' && !body && !upgrade && !takesTrailers
  return isOrdinary && !isFresh ? connections.take() : new NodeRequest(connections, maxBody, isFresh)
}
