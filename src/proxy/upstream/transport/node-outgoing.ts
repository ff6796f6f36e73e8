import { type ClientRequest, request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { type Headers, toHeaders } from '../../http/fields.js'
import type { Address } from './address.js'
import type { Connections } from './connections.js'
import type { UpstreamRequest } from './transport.js'

/**
 * While no bytes are sent, only a TCP probe can find out that a backend has vanished, so one probe is sent each minute
 * (60,000 ms).
 */
const KEEP_ALIVE_PROBES = { keepAlive: true, keepAliveInitialDelay: 60_000 }

/** Makes a request of Node's client. @param isSingle true if its connection is made for it and not kept after it */
export function createOutgoing(
  { address, agent, lookup, maxHeaderSize, tlsOptions }: Connections,
  { method, path, upgrade }: UpstreamRequest,
  headers: Headers,
  isSingle: boolean,
): ClientRequest {
  const { secure, ...where } = address
  const target = {
    ...where,
    ...tlsOptions,
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
    // Without an agent, Node makes a connection for this request alone.
    ...(isSingle
      ? { createConnection: () => (secure ? tlsConnect(target) : connectPlain(target)) }
      : { agent }),
  })
  // The size of the response's head is limited instead. Past a number of fields Node would drop the remaining fields, a
  // Content-Length among them.
  outgoing.maxHeadersCount = 0
  return outgoing
}

/** Node's `net` takes the path of a Unix socket by another name than `http` does. */
function connectPlain(target: TcpNetConnectOpts & Pick<Address, 'socketPath'>): Socket {
  const { socketPath } = target
  return socketPath === undefined ? connect(target) : connect({ ...target, path: socketPath })
}

/** Returns the header fields for Node's client, including the fields that apply to the connection only. */
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
  // Node throws if a message has a Trailer field but no chunked body, in which trailers could be sent.
  if (headers['transfer-encoding'] === undefined) delete headers.trailer
  return headers
}
