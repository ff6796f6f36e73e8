import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'

export interface LingeringCloseOptions {
  /** The last bytes to send. */
  last?: Buffer | string
  /** What the rest of the peer's bytes is read from: the socket, or a request on it whose body is still coming. */
  input?: Readable
  /** Longest time from the last bytes to the close. */
  timeoutMs: number
  /** Longest time without a byte from the peer; by default any. */
  silenceMs?: number
}

/**
 * Sends an end, and closes the connection once the peer has ended its side as well, or a time limit is reached. What still
 * comes is read and dropped: a socket that is closed with bytes unread is reset by the kernel, and the peer could
 * lose what it was sent last (RFC 9112 section 9.6).
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
