import { BalancerError } from '../../../balancer/errors.js'
import type { Cause } from '../../../balancer/leases/outcome.js'
import {
  BackendTimeoutError,
  BadResponseError,
  isHeadTooLarge,
  RejectedResponseError,
  SilentlyClosedError,
  TruncatedResponseError,
} from './failures.js'
import { firstBytesOf, type LibraryError } from './library-error.js'
import { CLOSED, CLOSED_SILENTLY, messageFor } from './messages.js'

/**
 * The reason why a backend did not respond, or not completely: a code and a text for operators, and a message for the
 * client.
 */
export interface Diagnosis extends Cause {
  /** The message for the client. It contains no address, and no text of a backend or a library. */
  message: string
}

/** The setting that limits the time of each phase. The name of the setting is the code of the diagnosis. */
const SETTINGS: Record<BackendTimeoutError['waitingFor'], string> = {
  connection: 'CONNECT_TIMEOUT',
  request: 'BODY_TIMEOUT',
  response: 'RESPONSE_TIMEOUT',
  body: 'BODY_TIMEOUT',
}

const TIMEOUT_MESSAGES: Record<BackendTimeoutError['waitingFor'], string> = {
  connection: 'no connection to the backend in time',
  request: 'the backend did not take the request in time',
  response: 'the backend did not answer in time',
  body: 'the backend did not go on with its answer in time',
}

/** Returns the diagnosis of an error between the gateway and a backend. */
export function diagnose(error: Error): Diagnosis {
  if (error instanceof BackendTimeoutError) {
    const { waitingFor, message } = error
    return { code: SETTINGS[waitingFor], text: message, message: TIMEOUT_MESSAGES[waitingFor] }
  }
  if (error instanceof BadResponseError || (error as LibraryError).code === 'BAD_ANSWER') {
    const message = `the backend's answer is not HTTP: ${error.message}`
    return { code: 'BAD_ANSWER', text: error.message, message }
  }
  if (error instanceof RejectedResponseError) {
    return { code: 'REJECTED_ANSWER', text: error.message, message: error.message }
  }
  if (error instanceof BalancerError) {
    return { code: error.code, text: error.message, message: error.message }
  }
  if (error instanceof TruncatedResponseError) return { code: 'CLOSED', text: error.message, message: CLOSED }
  if (error instanceof SilentlyClosedError) {
    return { code: 'CLOSED', text: error.message, message: CLOSED_SILENTLY }
  }
  if (isHeadTooLarge(error)) {
    const message =
      (error as LibraryError).code === 'HPE_TOO_MANY_FIELDS'
        ? `the head of the backend's answer has too many fields`
        : "the head of the backend's answer is larger than MAX_RESPONSE_HEADERS allows"
    return { code: 'HEAD_TOO_LARGE', text: message, message }
  }
  return diagnoseLibraryError(error)
}

function diagnoseLibraryError(error: LibraryError): Diagnosis {
  if (/before secure TLS connection/.test(error.message)) {
    return {
      code: 'CLOSED',
      text: error.message,
      message: 'the backend closed the connection in the TLS handshake',
    }
  }
  const text = textOf(error)
  if (isClosing(error)) return { code: 'CLOSED', text, message: CLOSED }
  return { code: error.code || 'UNKNOWN', text, message: messageFor(error) }
}

/** Returns true if the other side ended the connection in an orderly way, but too early. */
export function isClosing({ code, syscall }: NodeJS.ErrnoException): boolean {
  // Node reports an orderly end in the TLS handshake as a reset, too, but only the error of a real reset names a system
  // call.
  return code === 'ECONNRESET' && syscall === undefined
}

/** Returns the text of an error in one line that a log and a terminal can show. */
function textOf(error: LibraryError): string {
  const { code = '', errors, reason } = error
  const said = errors?.map(({ message }) => message).join(', ') || reason || error.message
  const instead = code === 'HPE_INVALID_CONSTANT' ? `, and not ${quoted(firstBytesOf(error))}` : ''
  // The byte 0 begins the name of an abstract socket, which is written with `@`.
  return (said || code).replaceAll('\0', '@').replaceAll(/\s+/g, ' ').trim() + instead
}

function quoted(bytes: string): string {
  const escaped = bytes.replaceAll(
    /[^\x20-\x7e]/g,
    (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
  return `"${escaped}"`
}
