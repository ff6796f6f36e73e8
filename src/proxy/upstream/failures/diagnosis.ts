import { BalancerError } from '../../../balancer/errors.js'
import type { Cause } from '../../../balancer/leases/outcome.js'
import {
  BackendTimeoutError,
  BadResponseError,
  CutShortError,
  isHeadTooLarge,
  RejectedResponseError,
  SilentlyClosedError,
} from './failures.js'

/** Why a backend did not answer, or not to the end: for operators the cause, for the client a sentence. */
export interface Diagnosis extends Cause {
  /** Names no address, and nothing that a backend or a library said. */
  message: string
}

/** What Node's and undici's errors have besides a code and a message. */
interface Details extends NodeJS.ErrnoException {
  /** OpenSSL's words, without the place in its source that is in the message. */
  reason?: string
  /** The bytes that could not be read as HTTP, as Node's and undici's client have them. */
  rawPacket?: Buffer
  data?: string
  /** One for each address that was tried. */
  errors?: Error[]
}

/** Bytes of something that is no HTTP that are shown. */
const SHOWN_BYTES = 40

/** How a record of TLS begins that tells of an error. */
const TLS_ALERT = '\x15\x03'
/** The type of the frame with which a server of HTTP/2 begins; before it are three bytes of length. */
const HTTP2_SETTINGS = '\x04'

/** The setting that says how long something may take. */
const TIMED_OUT: Record<BackendTimeoutError['waitingFor'], string> = {
  connection: 'CONNECT_TIMEOUT',
  request: 'BODY_TIMEOUT',
  response: 'RESPONSE_TIMEOUT',
  body: 'BODY_TIMEOUT',
}

const NOT_IN_TIME: Record<BackendTimeoutError['waitingFor'], string> = {
  connection: 'no connection to the backend in time',
  request: 'the backend did not take the request in time',
  response: 'the backend did not answer in time',
  body: 'the backend did not go on with its answer in time',
}

const CLOSED = 'the backend closed the connection before it had answered'
/** Node's own TLS servers close without an alert when they are sent plain HTTP. */
const CLOSED_SILENTLY = `${CLOSED}, as a port does that expects TLS`
const RESET = 'the backend reset the connection before it had answered'
const UNREACHABLE = 'the backend cannot be reached'
const NO_ADDRESS = 'the name of the backend has no address'
const UNKNOWN_ISSUER = "the backend's certificate is from an authority that is not trusted"
const NO_TLS = 'the backend does not speak TLS, and its URL says https'

/** What is said to clients, by the code of an error. */
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
  HPE_INVALID_TRANSFER_ENCODING: malformed('its Transfer-Encoding is not understood'),
  HPE_CR_EXPECTED: malformed('a line does not end with CR and LF'),
  HPE_LF_EXPECTED: malformed('a line does not end with CR and LF'),
  HPE_INVALID_VERSION: malformed('its version is none'),
  HPE_INVALID_STATUS: malformed('its status is none'),
  HPE_INVALID_HEADER_TOKEN: malformed('a header field has a character that it must not have'),
  HPE_INVALID_CHUNK_SIZE: malformed('the size of a chunk is no number'),
  HPE_STRICT: malformed('a line does not end with CR and LF'),
}

function malformed(how: string): string {
  return `the backend's answer is malformed: ${how}`
}

/** Says what an error between us and a backend means. */
export function diagnose(error: Error): Diagnosis {
  if (error instanceof BackendTimeoutError) {
    const { waitingFor, message } = error
    return { code: TIMED_OUT[waitingFor], text: message, message: NOT_IN_TIME[waitingFor] }
  }
  if (error instanceof BadResponseError) {
    const message = `the backend's answer is not HTTP: ${error.message}`
    return { code: 'BAD_ANSWER', text: error.message, message }
  }
  if (error instanceof RejectedResponseError) {
    return { code: 'REJECTED_ANSWER', text: error.message, message: error.message }
  }
  if (error instanceof BalancerError) {
    return { code: error.code, text: error.message, message: error.message }
  }
  if (error instanceof CutShortError) return { code: 'CLOSED', text: error.message, message: CLOSED }
  if (error instanceof SilentlyClosedError) {
    return { code: 'CLOSED', text: error.message, message: CLOSED_SILENTLY }
  }
  if (isHeadTooLarge(error)) {
    const message = "the head of the backend's answer is larger than MAX_RESPONSE_HEADERS allows"
    return { code: 'HEAD_TOO_LARGE', text: message, message }
  }
  return ofLibrary(error)
}

function ofLibrary(error: Details): Diagnosis {
  const code = error.code ?? ''
  if (/before secure TLS connection/.test(error.message)) {
    return {
      code: 'CLOSED',
      text: error.message,
      message: 'the backend closed the connection in the TLS handshake',
    }
  }
  if (error.message === 'bad upgrade') return diagnose(new BadResponseError('a switch that nobody asked for'))
  if (isClosing(error)) return { code: 'CLOSED', text: textOf(error), message: CLOSED }
  const known = code === 'HPE_INVALID_CONSTANT' ? ofGreeting(error) : MESSAGES[code]
  return { code: code || 'UNKNOWN', text: textOf(error), message: known ?? ofKind(code, error) }
}

/** Whether the other side ended the connection in an orderly way, only too early. */
export function isClosing({ code, syscall }: NodeJS.ErrnoException): boolean {
  // Node's client calls an end a reset, which has a system call where it is one.
  if (code === 'ECONNRESET') return syscall === undefined
  return (
    code === 'HPE_INVALID_EOF_STATE' ||
    code === 'UND_ERR_SOCKET' ||
    code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'
  )
}

/** What it may be that does not begin with HTTP. */
function ofGreeting(error: Details): string {
  const bytes = beginningOf(error)
  if (bytes.startsWith(TLS_ALERT)) return 'the backend speaks TLS, and its URL says http'
  if (bytes.startsWith('\0') && bytes.slice(3, 4) === HTTP2_SETTINGS) {
    return 'the backend speaks HTTP/2, which leastwise does not speak to backends'
  }
  return "the backend's answer is not HTTP"
}

/** What is known of a code that is not in the list. */
function ofKind(code: string, error: Details): string {
  if (code.startsWith('EAI_')) return 'the name of the backend cannot be looked up'
  if (code.startsWith('HPE_')) return malformed(reasonOf(error))
  if (/CERTIFICATE_REQUIRED/.test(code)) return 'the backend wants a certificate of the gateway'
  if (/ALERT/.test(code)) {
    return 'the backend refused the TLS handshake: it may want a certificate of the gateway, or another version of TLS'
  }
  if (/^ERR_SSL_|^EPROTO$/.test(code)) return 'no TLS connection to the backend can be agreed upon'
  if (/CERT|SIGNED|UNABLE_TO|^ERR_TLS_|KEY/.test(code)) return "the backend's certificate is not trusted"
  return CLOSED
}

/** The parser's own words. */
function reasonOf({ message }: Details): string {
  return message.replace(/^Parse Error: /, '')
}

/** One line that a log and a terminal can take. */
function textOf(error: Details): string {
  const { code = '', errors, reason } = error
  const said = errors?.map(({ message }) => message).join(', ') || reason || reasonOf(error)
  const greeting = code === 'HPE_INVALID_CONSTANT' ? `, and not ${shown(beginningOf(error))}` : ''
  return (said || code).replaceAll(/\s+/g, ' ').trim() + greeting
}

function beginningOf({ rawPacket, data }: Details): string {
  return rawPacket ? rawPacket.toString('latin1', 0, SHOWN_BYTES) : (data ?? '').slice(0, SHOWN_BYTES)
}

function shown(bytes: string): string {
  const escaped = bytes.replaceAll(
    /[^\x20-\x7e]/g,
    (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
  return `"${escaped}"`
}
