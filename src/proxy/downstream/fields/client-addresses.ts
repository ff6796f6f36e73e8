import type { Peer } from '../../http/peer.js'
import type { Trust } from '../../http/trust.js'
import { type Arrived, clientAddressOf } from './forwarded.js'

/** Where a request came from, as logs have it; null where that is not known. */
export interface Addresses {
  /** The address of the other end of its connection. */
  remoteAddress: string | null
  /** The address of the client, by what trusted proxies say. */
  clientAddress: string | null
}

/** The addresses of a request that could be read. */
export function addressesOf(arrived: Arrived, trust: Trust): Addresses {
  return {
    remoteAddress: arrived.peer.address ?? null,
    clientAddress: clientAddressOf(arrived, trust) ?? null,
  }
}

/** The addresses of bytes that are no request: who is behind a trusted proxy is not known then. */
export function addressesOfPeer(peer: Peer, trust: Trust): Addresses {
  const address = peer.address ?? null
  const isProxy = trust(peer, []) > 0
  return { remoteAddress: address, clientAddress: isProxy ? null : address }
}
