import type { IncomingMessage, ServerResponse } from 'node:http'

/**
 * Ends requests of clients that stall: that do not go on with a body that is being read, or do not read what
 * was written, for as long as `timeout` milliseconds. A client that waits for a backend is not one of them.
 * (The time is that of the connection, and any byte that passes starts it anew.)
 */
export function watchClient(
  request: IncomingMessage,
  response: ServerResponse,
  timeout: number,
  onUploadStalled: () => void,
): void {
  const { socket } = request
  // `inject` has none that could stall.
  if (!('setTimeout' in socket)) return
  socket.setTimeout(timeout)
  response.on('timeout', () => {
    if (!request.complete && request.readableFlowing) {
      if (response.headersSent) socket.destroy()
      else onUploadStalled()
    } else if (socket.writableLength > 0) {
      socket.destroy()
    } else {
      // It fires once; the client's turn may be yet to come.
      socket.setTimeout(timeout)
    }
  })
}
