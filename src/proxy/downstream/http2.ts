import type { IncomingMessage } from 'node:http'
import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Headers } from '../http/fields.js'
import { sendHead } from '../http/send-head.js'
import type { ClientProtocol } from './client-protocol.js'

/** HTTP/2: each request has a stream of its own, which frames bodies and can be reset without the connection. */
export const http2: ClientProtocol = {
  // In HTTP/2 a request can have a body that no field announces.
  hasBody: (request) => !streamOf(request).endAfterHeaders,
  // The request itself is complete only when it was read.
  hasAll: (request) => streamOf(request).readableEnded,
  framingFault: () => undefined,
  // HTTP/2 sends responses in any order, so the order of arrival does not matter.
  arrived() {},
  onTurn: (_request, _response, begin) => begin(),

  idleTimer: streamOf,
  onIdle: (request, _response, callback) => void streamOf(request).on('timeout', callback),
  // The response emits its own event only when the stream is closed.
  onWritten: (request, _response, callback) => void streamOf(request).once('finish', callback),
  cut: (request) => streamOf(request).close(constants.NGHTTP2_CANCEL),

  inform(request, _response, statusCode, headers) {
    // Node has sent 100 (Continue) itself.
    if (statusCode === 100) return
    joinLines(headers)
    streamOf(request).additionalHeaders({ ...headers, ':status': statusCode })
  },

  breakOff(request, response) {
    // Node would reset a destroyed stream with NO_ERROR, which some clients take for the end of the response.
    if (response.headersSent) streamOf(request).close(constants.NGHTTP2_INTERNAL_ERROR)
  },

  fitHead(reply, _context, headers) {
    stopUpload(reply.request.raw)
    joinLines(headers)
  },

  addTrailers(response, trailers) {
    joinLines(trailers)
    // Node ends a stream with its head where no byte of the body was written, and leaves the trailers out.
    if (!response.headersSent && Object.keys(trailers).length > 0) sendHead(response)
    response.addTrailers(trailers)
  },

  // HTTP/2 has no reason phrase.
  dropReason() {},
  stopUpload: (reply) => stopUpload(reply.request.raw),
  // HTTP/2 has no Connection field.
  announceClose() {},
}

function streamOf(request: IncomingMessage): ServerHttp2Stream & { readonly endAfterHeaders?: boolean } {
  return (request as unknown as { stream: ServerHttp2Stream }).stream
}

/**
 * Tells a client that has its response that the rest of its upload is not wanted (RFC 9113 section 8.1). Otherwise the
 * client would wait for ever to be allowed to send more.
 */
function stopUpload(request: IncomingMessage): void {
  if (!http2.hasBody(request) || request.complete) return
  const stream = streamOf(request)
  stream.once('finish', () => {
    stream.close(constants.NGHTTP2_NO_ERROR)
    // Node keeps a stream in memory until everything that came on it was read.
    stream.resume()
  })
}

/**
 * Joins the lines of each field into one, except for Set-Cookie, because Node's HTTP/2 throws for some fields that come
 * twice.
 */
function joinLines(headers: Headers): void {
  for (const [name, value] of Object.entries(headers)) {
    if (Array.isArray(value) && name !== 'set-cookie') headers[name] = value.join(', ')
  }
}
