import { firstBytesOf, isOfUnixSocket, type LibraryError } from './library-error.js'

/** The first two bytes of a TLS record that contains an alert. */
const TLS_ALERT = '\x15\x03'
/** The type byte of the frame with which an HTTP/2 server begins, SETTINGS. It follows three bytes of length. */
const HTTP2_SETTINGS = '\x04'

export const CLOSED = 'the backend closed the connection before it had answered'
/** The message for a silent close: Node's TLS servers close without an alert when they are sent plain HTTP. */
export const CLOSED_SILENTLY = `${CLOSED}, as a port does that expects TLS`
const RESET = 'the backend reset the connection before it had answered'
const UNREACHABLE = 'the backend cannot be reached'
const NO_ADDRESS = 'the name of the backend has no address'
const UNKNOWN_ISSUER = "the backend's certificate is from an authority that is not trusted"
const NO_SOCKET = 'the socket of the backend does not exist'
const NO_ACCESS = 'the gateway may not use the socket of the backend'
const NO_TLS = 'the backend does not speak TLS, and its URL says https'

/** Messages for clients, by error code. */
const MESSAGES: Record<string, string> = {
  ECONNREFUSED: 'the backend refused the connection',
  ECONNRESET: RESET,
  EPIPE: CLOSED,
  ECONNABORTED: RESET,
  EHOSTUNREACH: UNREACHABLE,
  EHOSTDOWN: UNREACHABLE,
  ENETUNREACH: UNREACHABLE,
  ENETDOWN: UNREACHABLE,
  EACCES: UNREACHABLE,
  EPERM: UNREACHABLE,
  ETIMEDOUT: UNREACHABLE,
  ENOTFOUND: NO_ADDRESS,
  ENODATA: NO_ADDRESS,
  EAI_NODATA: NO_ADDRESS,
  ETIMEOUT: 'the name of the backend could not be resolved in time',
  EAI_NONAME: NO_ADDRESS,

  DEPTH_ZERO_SELF_SIGNED_CERT: "the backend's certificate is signed by itself, and not trusted",
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_ISSUER,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_ISSUER,
  CERT_UNTRUSTED: UNKNOWN_ISSUER,
  CERT_HAS_EXPIRED: "the backend's certificate has expired",
  CERT_NOT_YET_VALID: "the backend's certificate is not valid yet",
  CERT_REVOKED: "the backend's certificate is revoked",
  ERR_TLS_CERT_ALTNAME_INVALID: "the backend's certificate is for another name",
  HOSTNAME_MISMATCH: "the backend's certificate is for another name",

  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  ERR_SSL_RECORD_LAYER_FAILURE: NO_TLS,
  ERR_SSL_HTTP_REQUEST: NO_TLS,

  HPE_UNEXPECTED_CONTENT_LENGTH: malformed('its length is said twice'),
  HPE_INVALID_CONTENT_LENGTH: malformed('its Content-Length is no number'),
  HPE_CR_EXPECTED: malformed('a line does not end with CR and LF'),
  HPE_LF_EXPECTED: malformed('a line does not end with CR and LF'),
  HPE_INVALID_VERSION: malformed('its version is none'),
  HPE_INVALID_STATUS: malformed('its status is none'),
  HPE_INVALID_HEADER_TOKEN: malformed('a header field has a character that it must not have'),
  HPE_UNEXPECTED_SPACE: malformed('its first field begins with a space'),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: malformed('the extensions of a chunk are too long'),
  HPE_INVALID_CHUNK_SIZE: malformed('the size of a chunk is no number, or not that of its data'),
  HPE_STRICT: malformed('an extension of a chunk has a character that it must not have'),
}

/** Messages for clients about a Unix socket to which no connection could be made, by error code. */
const SOCKET_MESSAGES: Record<string, string> = {
  ENOENT: NO_SOCKET,
  ENOTDIR: NO_SOCKET,
  EACCES: NO_ACCESS,
  EPERM: NO_ACCESS,
  ECONNREFUSED: 'nobody listens on the socket of the backend',
  ENOTSOCK: 'the socket of the backend is no socket',
  EPROTOTYPE: 'the socket of the backend is not one for streams',
  // A listener of Linux refuses so while its queue of connections is full.
  EAGAIN: 'the backend takes no further connection on its socket',
}

function malformed(how: string): string {
  return `the backend's answer is malformed: ${how}`
}

/**
 * The message for clients about an error of Node or of a response. It contains no address, and no text of a backend or a
 * library.
 */
export function messageFor(error: LibraryError): string {
  const { code = '' } = error
  if (isOfUnixSocket(error) && SOCKET_MESSAGES[code]) return SOCKET_MESSAGES[code]
  const known = code === 'HPE_INVALID_CONSTANT' ? notHttp(error) : MESSAGES[code]
  return known ?? messageOfKind(code)
}

/** Returns the message for a response that does not begin with HTTP, by its first bytes. */
function notHttp(error: LibraryError): string {
  const bytes = firstBytesOf(error)
  if (bytes.startsWith(TLS_ALERT)) return 'the backend speaks TLS, and its URL says http'
  if (bytes.startsWith('\0') && bytes.slice(3, 4) === HTTP2_SETTINGS) {
    return 'the backend speaks HTTP/2, which leastwise does not speak to backends'
  }
  return "the backend's answer is not HTTP"
}

/** Returns the message for a code that is not in the table. */
function messageOfKind(code: string): string {
  if (code.startsWith('EAI_')) return 'the name of the backend cannot be looked up'
  if (/CERTIFICATE_REQUIRED/.test(code)) return 'the backend wants a certificate of the gateway'
  if (/ALERT/.test(code)) {
    return 'the backend refused the TLS handshake: it may want a certificate of the gateway, or another version of TLS'
  }
  if (/^ERR_SSL_|^EPROTO$/.test(code)) return 'no TLS connection to the backend can be agreed upon'
  if (/CERT|SIGNED|UNABLE_TO|^ERR_TLS_|KEY/.test(code)) return "the backend's certificate is not trusted"
  return CLOSED
}
