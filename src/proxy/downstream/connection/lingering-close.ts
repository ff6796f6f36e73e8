import type { IncomingMessage, ServerResponse } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { lingeringClose } from '../../http/lingering-close.js'
import { closeAfter } from './pipeline.js'

/** Milliseconds for which a client that has its answer may send nothing before it is cut. */
const SILENCE_MS = 5000
/** Milliseconds that it has to notice the answer and stop sending; some clients look only when they have sent it all. */
const LINGER_MS = 30_000

/**
 * Closes a connection gently, whose request was answered before all of it was read. Closed at once, with
 * bytes unread, the kernel would reset it, and the client could lose the answer. RFC 9112 section 9.6.
 */
function lingerAfter(request: IncomingMessage): void {
  const { socket } = request
  // Called by Node after the response; its prototype's version closes at once.
  socket.destroySoon = () => {
    Reflect.deleteProperty(socket, 'destroySoon')
    if (request.complete || socket.destroyed) return socket.destroySoon()
    request.unpipe()
    request.removeAllListeners('data')
    lingeringClose(socket, { input: request, timeoutMs: LINGER_MS, silenceMs: SILENCE_MS })
  }
}

/**
 * Tells a client of HTTP/2 once it has its answer that the rest of its upload is not wanted (RFC 9113 section 8.1). It
 * would wait for ever to be allowed to send more.
 */
export function stopUploadAfterAnswer(stream: ServerHttp2Stream): void {
  // The response's own event comes when the stream is closed.
  stream.once('finish', () => {
    stream.close(constants.NGHTTP2_NO_ERROR)
    // Node keeps a stream until what came on it was read.
    stream.resume()
  })
}

/** Makes a response the last on its connection, which is then closed gently. */
export function endAfter(request: IncomingMessage, response: ServerResponse): void {
  closeAfter(request, response)
  lingerAfter(request)
}
