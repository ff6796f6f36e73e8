import type { IncomingMessage, ServerResponse } from 'node:http'
import { markLast } from './exchange.js'

/** Milliseconds that a client has to notice the answer and stop sending. */
const LINGER = 5000

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
    socket.end()
    request.unpipe()
    request.removeAllListeners('data')
    request.resume()
    const close = () => socket.destroy()
    const timer = setTimeout(close, LINGER)
    request.once('end', close)
    request.once('error', close)
    socket.once('close', () => clearTimeout(timer))
  }
}

/** Makes a response the last on its connection, which is then closed gently. */
export function endAfter(request: IncomingMessage, response: ServerResponse): void {
  markLast(request, response)
  lingerAfter(request)
}
