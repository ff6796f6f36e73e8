import type { FastifyRequest } from 'fastify'
import { peerOf } from '../../http/peer.js'
import type { Trust } from '../../http/trust.js'
import { addressesOf } from './client-origin.js'
import { receivedFrom } from './untrusted-fields.js'

/**
 * The address of a request's client, as trusted proxies report it; undefined where the client has none, as on a Unix
 * socket. What a peer says that is not trusted does not count.
 */
export function clientAddressOf(request: FastifyRequest, trust: Trust): string | undefined {
  const received = receivedFrom(request, peerOf(request.raw.socket))
  return addressesOf(received, trust).clientAddress ?? undefined
}
