import type { Socket } from 'node:net'
import { reset } from '../../http/reset.js'
import { type Patience, watchHalfClosed } from './half-closed.js'
import { goingAway, WebSocketFrames } from './websocket.js'

/** Milliseconds between probes of a silent connection, so that a peer that vanished does not count for ever. */
const KEEP_ALIVE = 60_000
/** Milliseconds that either side has to answer a goodbye. */
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
 * what breaks is broken. While both are open, and read what they are sent, they may be silent for as long as they like.
 * @param isWebSocket whether both are told when the tunnel is cut
 * @param patience how long it may be silent once one side has ended, or does not read
 * @param onTraffic called whenever something has come
 * @param onOver called once, when both are closed
 * @returns cuts both
 */
export function openTunnel(
  { client, clientHead, backend, backendHead }: TunnelEnds,
  isWebSocket: boolean,
  patience: Patience,
  onTraffic: () => void,
  onOver: () => void,
): () => void {
  let open = 2
  let cut = false
  let stopWatching: (() => void) | undefined
  const watch = () => {
    stopWatching ??= watchHalfClosed([client, backend], patience, close, () => {
      stopWatching = undefined
    })
  }
  const join = (from: Socket, to: Socket, head: Buffer) => {
    const frames = isWebSocket ? new WebSocketFrames() : undefined
    from.setKeepAlive(true, KEEP_ALIVE).setNoDelay(true).setTimeout(0)
    if (head.length > 0) {
      to.write(head)
      onTraffic()
    }
    frames?.push(head)
    from.on('data', onTraffic)
    if (frames) from.on('data', (chunk: Buffer) => frames.push(chunk))
    from.pipe(to)
    from.on('error', (error: NodeJS.ErrnoException) => {
      if (cut) return
      if (error.code === 'ECONNRESET') reset(to)
      else to.destroy()
    })
    from.once('end', watch)
    // The other side does not read what this one says, whose end nobody would notice meanwhile.
    from.on('pause', watch)
    from.once('close', () => {
      if (--open === 0) {
        stopWatching?.()
        onOver()
      }
      if (cut) return
      // Nobody is left to read what the other side says; it still gets what was said before an end.
      if (from.readableEnded) to.destroySoon()
      else to.destroy()
    })
    return frames
  }
  const toBackend = join(client, backend, clientHead)
  const toClient = join(backend, client, backendHead)
  function close() {
    stopWatching?.()
    cut = true
    client.unpipe(backend)
    backend.unpipe(client)
    part(backend, toBackend?.open ? goingAway(true) : undefined)
    part(client, toClient?.open ? goingAway(false) : undefined)
  }
  return close
}

/**
 * Closes a connection, with a last word if there is one: closed at once, with something unread, it would be
 * reset, and the word be lost.
 */
function part(socket: Socket, lastWord: Buffer | undefined): void {
  if (!lastWord || !socket.writable) {
    socket.destroy()
    return
  }
  const timer = setTimeout(() => socket.destroy(), LINGER)
  socket.once('close', () => clearTimeout(timer))
  socket.once('end', () => socket.destroy())
  socket.end(lastWord)
  socket.resume()
}
