import type { Socket } from 'node:net'
import { ClientGoneError } from '../../../balancer/errors.js'
import type { Lease } from '../../../balancer/leases/lease.js'
import type { Outcome } from '../../../balancer/leases/outcome.js'
import type { ProxyContext } from '../../context.js'
import type { Headers } from '../../http/fields.js'
import { BadResponseError } from '../failures/failures.js'
import type { StallOptions } from './stall-watch.js'
import { openTunnel } from './tunnel.js'

/** A backend's connection after the backend has responded with 101. */
export interface SwitchedConnection {
  /** Header fields of the 101 response. */
  headers: Headers
  socket: Socket
  /** Bytes that the backend has sent after the 101 response. */
  head: Buffer
}

/**
 * Joins the client's connection to the backend's connection, because both have agreed to switch protocols.
 * @param onOver called once, when the tunnel is closed
 * @returns the reason why there is no tunnel, in which case the backend's connection is closed; undefined if there is
 *   one
 */
export function switchProtocols(
  context: ProxyContext,
  lease: Lease,
  { headers, socket, head }: SwitchedConnection,
  stall: StallOptions,
  onOver: (outcome: Outcome) => void,
): BadResponseError | ClientGoneError | undefined {
  const chosen = String(headers.upgrade ?? '').toLowerCase()
  if (!isOffered(chosen, context.upgrade)) {
    socket.destroy()
    return new BadResponseError(`a switch to "${chosen}" that nobody asked for`)
  }
  context.respondedAt = stall.clock.now()
  lease.answered(context.respondedAt)
  const client = context.downstream.switchProtocols(headers)
  if (!client) {
    socket.destroy()
    return new ClientGoneError()
  }
  context.isTunnel = true
  lease.switched()
  const close = openTunnel(
    { client: client.socket, clientHead: client.head, backend: socket, backendHead: head },
    chosen.trim() === 'websocket',
    stall,
    () => lease.moved(),
    () => onOver('ok'),
  )
  lease.onCut = (reason) => {
    // The tunnel itself notices that the client has left, and the client's last bytes may still be on their way.
    if (reason instanceof ClientGoneError) return
    close()
    onOver('cancelled')
  }
  return undefined
}

/**
 * Returns true if the client has offered the protocols that the backend chose. A server must not switch to any other
 * protocol (RFC 9110 section 7.8).
 */
function isOffered(chosen: string, offered = ''): boolean {
  const names = offered.toLowerCase().split(',')
  return chosen.split(',').every((one) => names.some((name) => name.trim() === one.trim()))
}
