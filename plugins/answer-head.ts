import type { FastifyReply } from 'fastify'
import type { Assignment, Headers } from '../src/adapters/assignment.js'
import { isLastAhead } from './exchange.js'
import { toClient, toHttp2 } from './forwarding.js'
import { endAfter } from './linger.js'
import { isUnread } from './request-body.js'

/**
 * Makes the head of a backend's answer one that this client can be sent.
 * @param via what we call ourselves in Via
 * @param closing whether the gateway is
 */
export function fitHead(
  headers: Headers,
  reply: FastifyReply,
  { answered }: Assignment,
  via: string,
  closing: boolean,
): void {
  const { statusCode = 0, statusMessage = '' } = answered ?? {}
  const { raw } = reply.request
  const { upgrade } = headers
  toClient(headers, via)
  // HTTP/2 has no connections of its own, no phrases, and framing that needs no fields.
  if ('stream' in raw) {
    toHttp2(headers)
    return
  }
  // It has to say to what, RFC 9110 section 15.5.22, and the client may do so.
  if (statusCode === 426 && upgrade !== undefined) {
    headers.connection = reply.raw.shouldKeepAlive ? 'upgrade' : 'close, upgrade'
    headers.upgrade = upgrade
  }
  if (statusMessage !== '' && /^[\t\x20-\x7e]+$/.test(statusMessage)) reply.raw.statusMessage = statusMessage
  // Which it must not have, RFC 9110 section 8.6.
  if (statusCode === 204) delete headers['content-length']
  // Node refuses to announce trailers where there is no place for them.
  const chunked = headers['content-length'] === undefined && raw.httpVersionMinor > 0
  const empty = statusCode === 204 || statusCode === 304 || raw.method === 'HEAD'
  if (headers.trailer !== undefined && (!chunked || empty)) delete headers.trailer
  if (isUnread(raw)) endAfter(raw, reply.raw)
  if (closing && isLastAhead(raw)) headers.connection = 'close'
}
