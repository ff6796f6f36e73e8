import type { Socket } from 'node:net'

/**
 * Resets a connection where possible, so that the peer does not mistake the close for an orderly end; otherwise
 * destroys the connection. Node throws when it should reset a connection with TLS or to a path, and never closes a
 * connection that was ended before (libuv returns EINVAL).
 */
export function reset(socket: Socket): void {
  const canBeReset = !('encrypted' in socket) && socket.remoteAddress !== undefined
  if (canBeReset && !socket.writableEnded && !socket.connecting) socket.resetAndDestroy()
  else socket.destroy()
}
