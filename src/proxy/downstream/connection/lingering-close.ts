import type { IncomingMessage, ServerResponse } from 'node:http'
import { lingeringClose } from '../../http/lingering-close.js'
import { closeAfter } from './pipeline.js'

/** How long a client that has its response may send nothing more of its request before it is cut. */
const SILENCE_MS = 5000
/** How long a client has to notice the response and stop sending; some look only when they have sent everything. */
const LINGER_MS = 30_000

/**
 * Makes a response the last one on its connection, although its request has not been read whole. The connection is closed
 * once the client has stopped sending: it could lose the response otherwise.
 */
export function closeGently(request: IncomingMessage, response: ServerResponse): void {
  closeAfter(request, response)
  const { socket } = request
  // Node calls this after the last response; the method of the prototype, which it hides, closes at once.
  socket.destroySoon = () => {
    Reflect.deleteProperty(socket, 'destroySoon')
    if (request.complete || socket.destroyed) return socket.destroySoon()
    request.unpipe()
    request.removeAllListeners('data')
    lingeringClose(socket, { input: request, timeoutMs: LINGER_MS, silenceMs: SILENCE_MS })
  }
}
