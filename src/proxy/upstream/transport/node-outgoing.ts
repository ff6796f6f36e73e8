import { type ClientRequest, request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { connect } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { type Headers, toHeaders } from '../../http/fields.js'
import type { Connections } from './connections.js'
import type { UpstreamRequest } from './transport.js'

/** While nothing is sent, only a TCP probe finds that a backend has vanished: one is sent each minute. */
const KEEP_ALIVE_PROBES = { keepAlive: true, keepAliveInitialDelay: 60_000 }

/** Makes a request of Node's client. @param isSingle whether its connection is made for it, and not kept after it */
export function createOutgoing(
  { address, agent, lookup, maxHeaderSize }: Connections,
  { method, path, upgrade }: UpstreamRequest,
  headers: Headers,
  isSingle: boolean,
): ClientRequest {
  const { secure, ...where } = address
  const target = {
    ...where,
    ...KEEP_ALIVE_PROBES,
    ...(lookup && { lookup: lookup.lookup }),
    noDelay: true,
    allowHalfOpen: upgrade !== undefined,
  }
  const outgoing = (secure ? tlsRequest : plainRequest)({
    ...target,
    method,
    path,
    setHost: false,
    maxHeaderSize,
    headers,
    // Without an agent Node makes a connection for this request alone.
    ...(isSingle ? { createConnection: () => (secure ? tlsConnect(target) : connect(target)) } : { agent }),
  })
  // The size of a head is limited; past a number of fields Node would drop the rest, a Content-Length among them.
  outgoing.maxHeadersCount = 0
  return outgoing
}

/** The header fields for Node's client, including the fields of the connection. */
export function outgoingHeaders(
  { fields, body, upgrade, expectsContinue, takesTrailers }: UpstreamRequest,
  isSingle: boolean,
): Headers {
  const headers = toHeaders(fields)
  const connection: string[] = []
  if (upgrade !== undefined) {
    headers.upgrade = upgrade
    connection.push('upgrade')
  } else {
    connection.push(isSingle ? 'close' : 'keep-alive')
  }
  if (takesTrailers) {
    headers.te = 'trailers'
    connection.push('te')
  }
  headers.connection = connection.join(', ')
  if (body) {
    if (headers['content-length'] === undefined) headers['transfer-encoding'] = 'chunked'
    if (expectsContinue) headers.expect = '100-continue'
  }
  // Node throws for trailers that it has no place for.
  if (headers['transfer-encoding'] === undefined) delete headers.trailer
  return headers
}
