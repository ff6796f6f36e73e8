import type { IncomingMessage, ServerResponse } from 'node:http'
import { lingeringClose } from '../../http/lingering-close.js'
import { closeAfter } from './pipeline.js'

/** Time after which a client that has its response, and sends nothing more of its request, is disconnected. */
const SILENCE_MS = 5000
/**
 * Time that a client has to notice the response and stop sending. Some clients look only when they have sent
 * everything.
 */
const LINGER_MS = 30_000

/**
 * Makes a response the last one on its connection, although its request has not been read whole. The connection is
 * closed only once the client has stopped sending, because the client could lose the response otherwise.
 */
export function closeGently(request: IncomingMessage, response: ServerResponse): void {
  closeAfter(request, response)
  const { socket } = request
  // Node calls destroySoon after the last response. This method hides the one of the prototype, which closes at once.
  socket.destroySoon = () => {
    Reflect.deleteProperty(socket, 'destroySoon')
    if (request.complete || socket.destroyed) return socket.destroySoon()
    request.unpipe()
    request.removeAllListeners('data')
    lingeringClose(socket, { input: request, timeoutMs: LINGER_MS, silenceMs: SILENCE_MS })
  }
}
