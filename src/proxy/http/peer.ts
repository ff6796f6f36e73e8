import type { Socket } from 'node:net'
import { formatNode } from './forwarded-field.js'

/** Who is at the other end of a client's connection. */
export interface Peer {
  /** As the socket has it; undefined where it has none, as one of a path in the file system. */
  readonly remoteAddress: string | undefined
  /** The same, an IPv4 address as such also where the listener is for both families. */
  readonly address: string | undefined
  /** The same as a node of a Forwarded field. */
  readonly node: string
}

const peers = new WeakMap<object, Peer>()

/** A socket forgets its other end when it is closed, so that the first to ask has it kept for those after. */
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
