import type { Connections } from './connections.js'
import { NodeRequest } from './node-request.js'
import type { Transport, UpstreamRequest } from './transport.js'

/**
 * Chooses the client that sends a request: undici's for what most requests are, as it takes less CPU time, and Node's for
 * what undici's cannot do.
 * @param maxBody largest body in bytes; 0 for any
 * @param isFresh whether the connection must be a new one, and so cannot be one that the backend has closed meanwhile
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
