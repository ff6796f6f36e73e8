import type { Socket } from 'node:net'
import { reset } from './reset.js'
import { goingAway, WebSocketFrames } from './websocket.js'

/** Milliseconds between probes of a silent connection, so that a peer that vanished does not count for ever. */
const KEEP_ALIVE = 60_000
/** Milliseconds that a client has to answer a goodbye. */
const LINGER = 1000

/** The two ends of a tunnel, and what came on each besides the message that opened it. */
export interface TunnelEnds {
  client: Socket
  clientHead: Buffer
  backend: Socket
  backendHead: Buffer
}

/**
 * Joins two connections byte by byte. What one side ends is ended on the other, which may go on sending;
 * what breaks is broken.
 * @param isWebSocket whether both are told when the tunnel is cut
 * @param onOver called once, when both are closed
 * @returns cuts both
 */
export function openTunnel(
  { client, clientHead, backend, backendHead }: TunnelEnds,
  isWebSocket: boolean,
  onOver: () => void,
): () => void {
  let open = 2
  let cut = false
  const join = (from: Socket, to: Socket, head: Buffer) => {
    const frames = isWebSocket ? new WebSocketFrames() : undefined
    from.setKeepAlive(true, KEEP_ALIVE).setNoDelay(true).setTimeout(0)
    if (head.length > 0) to.write(head)
    frames?.push(head)
    if (frames) from.on('data', (chunk: Buffer) => frames.push(chunk))
    from.pipe(to)
    from.on('error', (error: NodeJS.ErrnoException) => {
      if (cut) return
      if (error.code === 'ECONNRESET') reset(to)
      else to.destroy()
    })
    from.once('close', () => {
      if (--open === 0) onOver()
      if (cut) return
      // Nobody is left to read what the other side says; it still gets what was said before an end.
      if (from.readableEnded) to.destroySoon()
      else to.destroy()
    })
    return frames
  }
  const toBackend = join(client, backend, clientHead)
  const toClient = join(backend, client, backendHead)
  return () => {
    cut = true
    client.unpipe(backend)
    backend.unpipe(client)
    if (toBackend?.open && backend.writable) backend.write(goingAway(true))
    backend.destroySoon()
    if (toClient?.open && client.writable) linger(client, goingAway(false))
    else client.destroy()
  }
}

/** Closes a connection with a last word, which would be lost with a reset if the other side still sent something. */
function linger(socket: Socket, lastWord: Buffer): void {
  const timer = setTimeout(() => socket.destroy(), LINGER)
  socket.once('close', () => clearTimeout(timer))
  socket.end(lastWord)
  socket.resume()
}
