import type { Socket } from 'node:net'
import { lingeringClose } from '../../http/lingering-close.js'
import { reset } from '../../http/reset.js'
import { type StallOptions, watchForStall } from './stall-watch.js'
import { goingAway, WebSocketFrames } from './websocket.js'

/**
 * Milliseconds between two TCP probes of a silent connection, so that a connection whose peer has vanished does not
 * count for ever.
 */
const KEEP_ALIVE_PROBE_MS = 60_000
/** Milliseconds that either side has to answer a Close frame. */
const CLOSE_TIMEOUT_MS = 1000

/** The two connections of a tunnel, each with the bytes that followed the message which opened the tunnel. */
export interface TunnelEnds {
  client: Socket
  clientHead: Buffer
  backend: Socket
  backendHead: Buffer
}

/**
 * Joins two connections byte by byte. The end of one side is passed on to the other side, which may go on sending, and
 * a side that breaks breaks the other side. While both sides are open and read the bytes that they are sent, they may
 * be silent for any time.
 * @param isWebSocket true if both sides get a Close frame when the tunnel is cut
 * @param stall how long the tunnel may make no progress once one side has ended, or does not read
 * @param onTraffic called whenever bytes have come
 * @param onOver called once, when both connections are closed
 * @returns a function that cuts both connections
 */
export function openTunnel(
  { client, clientHead, backend, backendHead }: TunnelEnds,
  isWebSocket: boolean,
  stall: StallOptions,
  onTraffic: () => void,
  onOver: () => void,
): () => void {
  let open = 2
  let cut = false
  let stopWatching: (() => void) | undefined
  const watch = () => {
    stopWatching ??= watchForStall([client, backend], stall, close, () => {
      stopWatching = undefined
    })
  }
  const join = (from: Socket, to: Socket, head: Buffer) => {
    const frames = isWebSocket ? new WebSocketFrames() : undefined
    from.setKeepAlive(true, KEEP_ALIVE_PROBE_MS).setNoDelay(true).setTimeout(0)
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
    // While the other side does not read, the end of this side would not be noticed.
    from.on('pause', watch)
    from.once('close', () => {
      if (--open === 0) {
        stopWatching?.()
        onOver()
      }
      if (cut) return
      // Nothing more is read from the other side. That side still gets the bytes that this side had sent before an
      // orderly end.
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
    closeWith(backend, toBackend?.open ? goingAway(true) : undefined)
    closeWith(client, toClient?.open ? goingAway(false) : undefined)
  }
  return close
}

/**
 * Closes a connection. A last frame, if there is one, is sent before the close if the connection can still be written
 * to.
 */
function closeWith(socket: Socket, lastFrame: Buffer | undefined): void {
  if (lastFrame && socket.writable) lingeringClose(socket, { last: lastFrame, timeoutMs: CLOSE_TIMEOUT_MS })
  else socket.destroy()
}
