import type { Socket } from 'node:net'
import { formatNode } from './forwarded-field.js'

/** The client's end of a connection to the gateway. */
export interface Peer {
  /** The address as the socket reports it; undefined for a Unix socket, which has none. */
  readonly remoteAddress: string | undefined
  /** The address from `remoteAddress`, without the prefix that an IPv4 address has on a listener for IPv6. */
  readonly address: string | undefined
  /** The address from `remoteAddress` in the form of a node of a Forwarded field (RFC 7239). */
  readonly node: string
}

const peers = new WeakMap<object, Peer>()

/** Returns the peer of a socket. The result is cached, because a socket forgets its addresses when it is closed. */
export function peerOf(socket: Pick<Socket, 'remoteAddress'>): Peer {
  let peer = peers.get(socket)
  if (!peer) {
    const { remoteAddress } = socket
    const address = remoteAddress?.replace(/^::ffff:(?=\d+\.)/i, '')
    peer = { remoteAddress, address, node: formatNode(address) }
    peers.set(socket, peer)
  }
  return peer
}
