import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'

/** Whether a request has a body. With HTTP/2 it need not be announced. */
export function hasBody(raw: IncomingMessage | Http2ServerRequest): boolean {
  if ('stream' in raw) return !raw.stream.endAfterHeaders
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = raw.headers
  return encoding !== undefined || Number(length) > 0
}

/** Whether some of a request's body has yet to come. */
export function isUnread(raw: IncomingMessage | Http2ServerRequest): boolean {
  return hasBody(raw) && !raw.complete
}
