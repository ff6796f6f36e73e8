import type { IncomingMessage } from 'node:http'
import type { ClientProtocol } from './client-protocol.js'
import { http1 } from './http1.js'
import { http2 } from './http2.js'

/** The protocol by which a request came. Only requests of HTTP/2 have a stream. */
export function protocolOf(request: IncomingMessage): ClientProtocol {
  return 'stream' in request ? http2 : http1
}
