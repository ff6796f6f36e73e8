import type { Socket } from 'node:net'

/**
 * Resets a connection if possible, so that the peer does not mistake the close for an orderly end; otherwise destroys
 * the connection. Node throws on a reset of a TLS connection or of a connection to a path, and never closes a
 * connection that is reset after it was ended (libuv returns EINVAL).
 */
export function reset(socket: Socket): void {
  const canBeReset = !('encrypted' in socket) && socket.remoteAddress !== undefined
  if (canBeReset && !socket.writableEnded && !socket.connecting) socket.resetAndDestroy()
  else socket.destroy()
}
