import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'

export interface LingeringCloseOptions {
  /** The last bytes that are sent to the peer. */
  last?: Buffer | string
  /**
   * The stream from which the rest of the peer's bytes is read: the socket by default, or a request on the socket whose
   * body is still coming.
   */
  input?: Readable
  /** Longest time in milliseconds from the last sent bytes to the close. */
  timeoutMs: number
  /** Longest time in milliseconds without a byte from the peer; no limit by default. */
  silenceMs?: number
}

/**
 * Ends the gateway's side of a connection, and closes the connection once the peer has ended its side as well or a time
 * limit is reached. Bytes that still come are read and dropped: the kernel resets a socket that is closed with unread
 * bytes, and the peer could then lose the last bytes that were sent to it (RFC 9112 section 9.6).
 */
export function lingeringClose(
  socket: Socket,
  { last, input = socket, timeoutMs, silenceMs }: LingeringCloseOptions,
): void {
  const close = () => socket.destroy()
  const limit = setTimeout(close, timeoutMs)
  const silence = silenceMs === undefined ? undefined : setTimeout(close, silenceMs)
  if (silence) input.on('data', () => silence.refresh())
  input.once('end', close)
  input.once('error', close)
  socket.once('close', () => {
    clearTimeout(limit)
    clearTimeout(silence)
  })
  if (last === undefined) socket.end()
  else socket.end(last)
  input.resume()
}
