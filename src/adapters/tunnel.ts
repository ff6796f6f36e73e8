import type { Socket } from 'node:net'
import { reset } from './reset.js'

/** Milliseconds between probes of a silent connection, so that a peer that vanished does not count for ever. */
const KEEP_ALIVE = 60_000

/**
 * Joins two connections byte by byte. What one side ends is ended on the other, which may go on sending;
 * what breaks is broken.
 * @param onOver called once, when both are closed
 * @returns cuts both
 */
export function openTunnel(
  client: Socket,
  clientHead: Buffer,
  backend: Socket,
  backendHead: Buffer,
  onOver: () => void,
): () => void {
  let open = 2
  const join = (from: Socket, to: Socket, head: Buffer) => {
    from.setKeepAlive(true, KEEP_ALIVE).setNoDelay(true).setTimeout(0)
    if (head.length > 0) to.write(head)
    from.pipe(to)
    from.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET') reset(to)
      else to.destroy()
    })
    from.once('close', () => {
      // Nobody is left to read what the other side says; it still gets what was said before an end.
      if (from.readableEnded) to.destroySoon()
      else to.destroy()
      if (--open === 0) onOver()
    })
  }
  join(client, backend, clientHead)
  join(backend, client, backendHead)
  return () => {
    client.destroy()
    backend.destroy()
  }
}
