import type { IncomingMessage } from 'node:http'
import type { FastifyRequest } from 'fastify'
import type { Backend } from '../../../balancer/backends/backend.js'
import type { KeyTraits } from '../../../balancer/leases/lease-request.js'
import type { ProxyContext } from '../../context.js'
import { firstValue, type Headers } from '../../http/fields.js'
import type { Peer } from '../../http/peer.js'

/** Finds the key of each request of a pool, by which its backend is chosen. */
export interface Affinity {
  /** Returns the key of a request; undefined where it has none. It changes nothing. */
  keyOf(request: FastifyRequest, peer: Peer): KeyTraits | undefined
  /** Removes the field, or the part of it, that only the gateway should see. */
  strip(raw: IncomingMessage): void
  /**
   * Adds to the fields of a response what makes the client come back with its key.
   * @param key what {@link keyOf} returned
   * @param backend that has answered
   * @param isSecure true if the client used TLS
   */
  addTo(headers: Headers, key: KeyTraits | undefined, backend: Backend, isSecure: boolean): void
}

/** Adds to the fields of a response what makes its client come back to the backend that has answered. */
export function addAffinity(headers: Headers, affinity: Affinity | undefined, context: ProxyContext): void {
  if (!affinity) return
  const isSecure = firstValue(context.fields, 'x-forwarded-proto') === 'https'
  affinity.addTo(headers, context.clientKey, context.lease.backend, isSecure)
}
