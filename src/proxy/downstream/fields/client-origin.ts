import type { TLSSocket } from 'node:tls'
import { formatForwarded } from '../../http/forwarded-field.js'
import type { Peer } from '../../http/peer.js'
import type { Trust } from '../../http/trust.js'
import { claimedAddress, claimedOrigin, type Origin } from './forwarded-claims.js'
import type { ReceivedRequest } from './untrusted-fields.js'

/**
 * Where a request came from, as backends are told.
 * @param namedHost the host that the request names
 */
export function originOf(received: ReceivedRequest, trust: Trust, namedHost: string | undefined): Origin {
  const { peer, raw } = received
  const proto = (raw.socket as TLSSocket).encrypted ? 'https' : 'http'
  if (hasClaims(received)) return claimedOrigin(received, trust, proto, namedHost)
  const forwarded = formatForwarded(peer.node, { proto, host: namedHost })
  return { for: peer.address ?? 'unknown', proto, host: namedHost, forwarded, client: peer.address }
}

/** Where a request came from, as logs show it; null where that is not known. */
export interface Addresses {
  /** The address of the other end of the connection. */
  remoteAddress: string | null
  /** The address of the client, as trusted proxies report it. */
  clientAddress: string | null
}

/** The addresses of a request whose origin is known. */
export function addressesIn({ client }: Origin, { address }: Peer): Addresses {
  return { remoteAddress: address ?? null, clientAddress: client ?? null }
}

/** The addresses of a request that could be parsed. */
export function addressesOf(received: ReceivedRequest, trust: Trust): Addresses {
  const { address } = received.peer
  const client = hasClaims(received) ? claimedAddress(received, trust) : address
  return { remoteAddress: address ?? null, clientAddress: client ?? null }
}

/** The addresses for bytes that are not a request: nothing in them says which client is behind a trusted proxy. */
export function addressesOfPeer(peer: Peer, trust: Trust): Addresses {
  const address = peer.address ?? null
  const isProxy = trust(peer, []) > 0
  return { remoteAddress: address, clientAddress: isProxy ? null : address }
}

/** Whether a request has a field by which a trusted proxy or the app says where it came from. */
function hasClaims({ headers, untrusted }: ReceivedRequest): boolean {
  return (
    (headers['x-forwarded-for'] !== undefined && !untrusted?.has('x-forwarded-for')) ||
    (headers['x-forwarded-proto'] !== undefined && !untrusted?.has('x-forwarded-proto')) ||
    (headers['x-forwarded-host'] !== undefined && !untrusted?.has('x-forwarded-host')) ||
    (headers.forwarded !== undefined && !untrusted?.has('forwarded'))
  )
}
