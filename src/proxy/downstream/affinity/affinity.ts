import type { FastifyRequest } from 'fastify'
import type { Backend } from '../../../balancer/backends/backend.js'
import type { KeyTraits } from '../../../balancer/leases/lease-request.js'
import type { ProxyContext } from '../../context.js'
import { firstValue, type Headers } from '../../http/fields.js'
import type { Peer } from '../../http/peer.js'

/** A request, and the client's end of its connection. */
interface RequestOfClient {
  readonly request: FastifyRequest
  readonly peer: Peer
}

/** Finds the key of each request of a pool, by which its backend is chosen. */
export interface Affinity {
  /** Returns the key of a request; undefined where it has none. It changes nothing. */
  keyOf(request: FastifyRequest, peer: Peer): KeyTraits | undefined
  /** Removes the field, or the part of it, that only the gateway should see. */
  strip(request: FastifyRequest): void
  /**
   * Adds to the fields of a response what makes the client come back with its key.
   * @param key what {@link keyOf} returned
   * @param backend that has answered
   * @param isSecure true if the client used TLS
   */
  addTo(headers: Headers, key: KeyTraits | undefined, backend: Backend, isSecure: boolean): void
}

/**
 * A query of Engine.IO, the transport of Socket.IO (https://github.com/socketio/engine.io-protocol). Its client sends
 * several requests in a session that lives in one process, and gives up where one of them reaches another.
 */
const ENGINE_IO = /[?&]EIO=\d/

/**
 * Returns the key of a request, and whether the backend of the key must not be passed over; undefined where it has none.
 * @param path with the query
 */
export function keyFor(
  affinity: Affinity,
  { request, peer }: RequestOfClient,
  path: string,
): KeyTraits | undefined {
  const found = affinity.keyOf(request, peer)
  if (!found || !ENGINE_IO.test(path)) return found
  return { key: found.key, home: found.home, pinned: true }
}

/** Adds to the fields of a response what makes its client come back to the backend that has answered. */
export function addAffinity(headers: Headers, affinity: Affinity | undefined, context: ProxyContext): void {
  if (!affinity) return
  const isSecure = firstValue(context.fields, 'x-forwarded-proto') === 'https'
  affinity.addTo(headers, context.clientKey, context.lease.backend, isSecure)
}
