import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'

/**
 * Ends requests of clients that stall: that do not go on with a body that is being read, or do not read what
 * was written, for as long as `timeout` milliseconds. A client that waits for a backend is not one of them.
 * (The time is that of the connection, or the stream of HTTP/2, and any byte that passes starts it anew.)
 */
export function watchClient(
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
  timeout: number,
  onUploadStalled: () => void,
): void {
  const link = 'stream' in request ? request.stream : request.socket
  // `inject` has none that could stall.
  if (!('setTimeout' in link)) return
  const cut = () => {
    if ('stream' in request) request.stream.close(constants.NGHTTP2_CANCEL)
    else request.socket.destroy()
  }
  link.setTimeout(timeout)
  const emitter = 'stream' in request ? request.stream : response
  emitter.on('timeout', () => {
    if (!request.complete && request.readableFlowing) {
      if (response.headersSent) cut()
      else onUploadStalled()
    } else if (link.writableLength > 0) {
      cut()
    } else {
      // It fires once; the client's turn may be yet to come.
      link.setTimeout(timeout)
    }
  })
}
