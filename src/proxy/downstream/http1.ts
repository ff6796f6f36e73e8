import { type IncomingMessage, STATUS_CODES } from 'node:http'
import { rawHead } from '../http/raw-head.js'
import { reset } from '../http/reset.js'
import type { ClientProtocol } from './client-protocol.js'
import { closeGently } from './connection/lingering-close.js'
import { destroyInOrder, noteArrival, onTurn, pendingOn } from './connection/pipeline.js'
import { framingFault } from './request/framing.js'

/** Number of unread bytes above which a client gets no more informational responses. */
const MAX_UNREAD_BEFORE_HINT_BYTES = 64 * 1024

/** Milliseconds between probes of a client's connection on which there is nothing to send. */
const KEEP_ALIVE_PROBE_MS = 60_000

/**
 * HTTP/1.0 and HTTP/1.1: responses come in the order of the requests, and the end of the connection may mark the end of
 * a body.
 */
export const http1: ClientProtocol = {
  hasBody,
  hasAll: (request) => request.complete,
  framingFault,
  arrived: noteArrival,

  onTurn(request, response, begin) {
    onTurn(request, response, () => {
      // Chunks that came together with the head may be malformed, which is known only once they are parsed.
      if (request.headers['transfer-encoding'] === undefined) begin()
      else setImmediate(begin)
    })
  },

  idleTimer: (request) => request.socket,
  onIdle: (_request, response, callback) => void response.on('timeout', callback),
  onWritten: (_request, response, callback) => void response.once('finish', callback),
  cut: (request) => void request.socket.destroy(),

  inform(request, response, statusCode, headers) {
    // HTTP/1.0 has no informational responses, RFC 9110 section 15.2.
    if (request.httpVersionMinor === 0) return
    const { socket } = response
    // Without a socket, responses to earlier requests come first; Node would keep the informational response until then
    // and send it between head and body of this response.
    if (!socket) return
    if (response.writableLength + socket.writableLength > MAX_UNREAD_BEFORE_HINT_BYTES) return
    if (statusCode === 100) response.writeContinue()
    // Node has methods for some other statuses, but each restricts the fields.
    else socket.write(rawHead(`HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? ''}`, headers), 'latin1')
  },

  breakOff(request, response) {
    if (response.destroyed) return
    // Where the close of the connection marks the end of the response, only a reset shows that the response is
    // incomplete.
    const endsWithConnection =
      response.headersSent && !response.chunkedEncoding && response.getHeader('content-length') === undefined
    if (!response.socket) destroyInOrder(request, response)
    else if (endsWithConnection) reset(response.socket)
  },

  fitHead(reply, { responseHead, isQuiet }, headers, isClosing) {
    const { statusCode, statusMessage, headers: given } = responseHead as NonNullable<typeof responseHead>
    const { raw } = reply.request
    // While there is nothing to send, only a TCP keep-alive probe finds that the client has vanished.
    if (isQuiet) raw.socket?.setKeepAlive?.(true, KEEP_ALIVE_PROBE_MS)
    // A 426 response has to name the protocol, RFC 9110 section 15.5.22, and the client may then switch to that
    // protocol.
    if (statusCode === 426 && given.upgrade !== undefined) {
      headers.connection = reply.raw.shouldKeepAlive ? 'upgrade' : 'close, upgrade'
      headers.upgrade = given.upgrade
    }
    if (statusMessage !== '' && /^[\t\x20-\x7e]+$/.test(statusMessage))
      reply.raw.statusMessage = statusMessage
    // A 204 response must not have a Content-Length, RFC 9110 section 8.6.
    if (statusCode === 204) delete headers['content-length']
    // Node throws if trailers are announced for a response that cannot have any.
    const isChunked = headers['content-length'] === undefined && raw.httpVersionMinor > 0
    const hasNoBody = statusCode === 204 || statusCode === 304 || raw.method === 'HEAD'
    if (headers.trailer !== undefined && (!isChunked || hasNoBody)) delete headers.trailer
    if (hasUnreadBody(raw)) closeGently(raw, reply.raw)
    // The unread rest of a body cannot be told from a next request, so the connection has to close.
    if (!raw.complete || (isClosing && isOnlyPending(raw))) headers.connection = 'close'
  },

  // A response that is not sent in chunks ends without them.
  addTrailers: (response, trailers) => response.addTrailers(trailers),

  dropReason(reply) {
    reply.raw.statusMessage = ''
  },

  stopUpload(reply, endsConnection) {
    const { raw } = reply.request
    // A request that a hook has destroyed has no socket any more.
    if (!raw.socket || !(endsConnection || hasUnreadBody(raw))) return
    // To keep the connection, Node would read the rest of the body to its end.
    reply.header('connection', 'close')
    closeGently(raw, reply.raw)
  },

  announceClose(reply) {
    if (isOnlyPending(reply.request.raw)) reply.header('connection', 'close')
  },
}

function hasBody({ headers }: IncomingMessage): boolean {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = headers
  return encoding !== undefined || Number(length) > 0
}

function hasUnreadBody(request: IncomingMessage): boolean {
  return hasBody(request) && !request.complete
}

/** Whether a client has sent no further request, so that this response may be the last on its connection. */
function isOnlyPending(request: IncomingMessage): boolean {
  return pendingOn(request.socket) <= 1
}
