import type { IncomingMessage } from 'node:http'
import { isIPv6 } from 'node:net'
import type { FastifyError } from 'fastify'
import { InvalidRequestError, NotImplementedError, VersionError } from '../errors/errors.js'

// RFC 3986 section 3.2.2: a name, or an address in brackets; and a port.
const HOST = /^(?:\[([^\]]*)\]|(?:[\w.~!$&'()*+;=-]|%[0-9A-Fa-f]{2})+)(?::(\d{0,5}))?$/

/** The last text that was a host: most requests name the same one. */
let lastHost = ''

/** Whether a text is a host, with or without a port. */
export function isHost(text: string): boolean {
  if (text === lastHost) return text !== ''
  const [whole, address, port] = HOST.exec(text) ?? []
  if (whole === undefined || (address !== undefined && !isIPv6(address)) || Number(port ?? 0) > 65_535)
    return false
  lastHost = text
  return true
}

/**
 * Names a fault that Node's parser accepts in the head of a request although two servers could read the head in two
 * ways; undefined where there is none. Node has already refused requests that are malformed in other ways.
 */
export function framingFault(request: IncomingMessage): FastifyError | undefined {
  // On a connection of HTTP/1 Node accepts "HTTP/2.0", and a request without a version.
  const { httpVersion, headers, rawHeaders } = request
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return new VersionError(httpVersion)
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    // Of several Host fields Node keeps the first, while another server may take the last. RFC 9112 section 3.2.
    if (name.length === 4 && name.toLowerCase() === 'host' && ++hosts > 1) {
      return new InvalidRequestError('there is more than one Host')
    }
  }
  if (hosts === 0 ? httpVersion === '1.1' : !isHost(headers.host as string)) {
    return new InvalidRequestError('Host does not name a host')
  }
  // A larger number is not exact in JavaScript, and may not be exact in the backend. RFC 9110 section 8.6.
  if (Number(headers['content-length'] ?? 0) > Number.MAX_SAFE_INTEGER) {
    return new InvalidRequestError('Content-Length is too large')
  }
  const coding = headers['transfer-encoding']
  if (coding === undefined) return undefined
  // RFC 9112 section 6.1 treats a message of HTTP/1.0 with Transfer-Encoding as having faulty framing.
  if (httpVersion === '1.0') return new InvalidRequestError('HTTP/1.0 has no Transfer-Encoding')
  if (coding === '') return new InvalidRequestError('Transfer-Encoding is empty')
  if (coding.toLowerCase() !== 'chunked') return new NotImplementedError(`transfer coding "${coding}"`)
  return undefined
}
