import type { Socket } from 'node:net'

/**
 * Resets a connection where that can be done, so that its other end does not take it for a proper end. Node
 * throws for one with TLS or to a path, and leaves one open for ever that was ended before (libuv answers EINVAL).
 */
export function reset(socket: Socket): void {
  const canBeReset = !('encrypted' in socket) && socket.remoteAddress !== undefined
  if (canBeReset && !socket.writableEnded && !socket.connecting) socket.resetAndDestroy()
  else socket.destroy()
}
