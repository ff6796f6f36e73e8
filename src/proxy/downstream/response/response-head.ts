import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import type { FastifyReply } from 'fastify'
import type { ProxyContext } from '../../context.js'
import type { Headers } from '../../http/fields.js'
import { isUnread } from '../../http/request-body.js'
import type { ResponseHead } from '../../http/response.js'
import { endAfter, stopUploadAfterAnswer } from '../connection/lingering-close.js'
import { isOnlyPending } from '../connection/pipeline.js'
import { toHttp2 } from '../fields/forwarding.js'
import { type ResponseOptions, responseFields } from './response-fields.js'

/** Milliseconds between probes of a client's connection on which there is nothing to send. */
const KEEP_ALIVE_PROBE_MS = 60_000

/**
 * Sets the head of a backend's answer, as this client can be sent it.
 * @param closing whether the client is told that its connection closes
 */
export function applyResponseHead(
  reply: FastifyReply,
  context: ProxyContext,
  options: ResponseOptions,
  closing: boolean,
): void {
  const head = context.responseHead as ResponseHead
  const { statusCode, statusMessage, headers: given } = head
  const raw = reply.request.raw as IncomingMessage | Http2ServerRequest
  const headers = responseFields(given, reply.request.raw, context, options)
  // Should an error have to be told after all, this is what has to be taken back.
  head.headers = headers
  // HTTP/2 has no Connection field and no reason phrase, and frames bodies itself: what follows does not apply to it.
  if ('stream' in raw) {
    if (isUnread(raw)) stopUploadAfterAnswer(raw.stream)
    setAll(reply, toHttp2(headers))
    return
  }
  // While there is nothing to send, only a probe of TCP finds that the client has vanished.
  if (context.isQuiet) raw.socket?.setKeepAlive?.(true, KEEP_ALIVE_PROBE_MS)
  // It has to say to what, RFC 9110 section 15.5.22, and the client may do so.
  if (statusCode === 426 && given.upgrade !== undefined) {
    headers.connection = reply.raw.shouldKeepAlive ? 'upgrade' : 'close, upgrade'
    headers.upgrade = given.upgrade
  }
  if (statusMessage !== '' && /^[\t\x20-\x7e]+$/.test(statusMessage)) reply.raw.statusMessage = statusMessage
  // Which it must not have, RFC 9110 section 8.6.
  if (statusCode === 204) delete headers['content-length']
  // Node refuses to announce trailers where there is no place for them.
  const chunked = headers['content-length'] === undefined && raw.httpVersionMinor > 0
  const empty = statusCode === 204 || statusCode === 304 || raw.method === 'HEAD'
  if (headers.trailer !== undefined && (!chunked || empty)) delete headers.trailer
  if (isUnread(raw)) endAfter(raw, reply.raw)
  // What was not read cannot be told from a next request; or there is to be none.
  if (!raw.complete || (closing && isOnlyPending(raw))) headers.connection = 'close'
  setAll(reply, headers)
}

function setAll(reply: FastifyReply, headers: Headers): void {
  for (const name in headers) reply.header(name, headers[name])
}
