import type { Outcome } from '../../../balancer/leases/outcome.js'
import type { ProxyContext } from '../../context.js'
import { UnresolvedError } from '../dns/unresolved-error.js'
import type { ResponseBody } from '../response-body.js'
import type { Transport } from '../transport/transport.js'
import type { UploadProgress } from '../upload-progress.js'
import { exhaustionOf } from './exhaustion.js'
import { isClientFault, isHeadTooLarge } from './failures.js'

/** The progress of a request on a backend. */
export interface Progress {
  readonly context: ProxyContext
  readonly transport: Pick<Transport, 'blocked'>
  /** The current time in monotonic milliseconds. */
  readonly now: number
  /** True if the backend may have seen some of the request. */
  readonly isSent: boolean
  /** True if the backend has responded well, and part of the response's body is still to come. */
  readonly isRespondingWell: boolean
  /** Progress of sending the request's body; undefined if the request has no body or is not sent yet. */
  readonly upload: UploadProgress | undefined
  /** The body of the response; undefined if no response has begun. */
  readonly body: Pick<ResponseBody, 'isStream' | 'pausedFor'> | undefined
}

/** Matches the error codes of a response that is not HTTP. */
const NOT_HTTP = /^HPE_/
/** Milliseconds without progress after which a server may give up on a client. */
const STALLED_MS = 200
/** Size in bytes from which on a server may reject a body as too large before the server has all of it. */
const LARGE_BODY_BYTES = 64 * 1024
/** Milliseconds after a request was sent within which its kept connection shows that it was closed before this use. */
const STALE_CONNECTION_MS = 500

/**
 * Returns the outcome that says whose fault a failure is: `failed` means the backend's, `doubtful` perhaps the
 * client's, and `cancelled` not the backend's.
 */
export function outcomeOf(error: Error, progress: Progress): Outcome {
  const isBlameless =
    isClientFault(error) ||
    // A limit of the gateway, a name that cannot be resolved, and too few descriptors are not the backend's fault.
    isHeadTooLarge(error) ||
    error instanceof UnresolvedError ||
    exhaustionOf(error) !== undefined ||
    // A backend that closes the connection with some of an upload unread resets it, and the rest of its response is
    // lost.
    (progress.upload?.isRefused && progress.isRespondingWell)
  if (isBlameless) return 'cancelled'
  return isClientInduced(error, progress) ? 'doubtful' : 'failed'
}

/**
 * Returns true if the client may be the reason why a backend broke off: the client sends more than the backend takes,
 * stalls, does not read, or wants an unknown protocol. No client shall be able to have a backend ejected.
 */
function isClientInduced(error: NodeJS.ErrnoException, progress: Progress): boolean {
  const { context, transport, now, isSent, upload, body } = progress
  if (!isSent || NOT_HTTP.test(error.code ?? '')) return false
  if (upload?.isRefused || (context.upgrade && !body?.isStream)) return true
  if (!upload || upload.isOver) return body !== undefined && body.pausedFor >= STALLED_MS
  // A backend that does not take the bytes which are there cannot be waiting for more bytes.
  const isStalled = !transport.blocked && upload.stalledFor(now) >= STALLED_MS
  return isStalled || upload.bytes >= LARGE_BODY_BYTES
}

/**
 * Returns true if only the connection was to blame, and the backend may be well: the connection was a kept one that was
 * closed meanwhile.
 * @param age milliseconds since the request was sent
 */
export function isConnectionFault(error: Error, isReused: boolean, age: number): boolean {
  const { code = '' } = error as NodeJS.ErrnoException
  const isClosed = code === 'ECONNRESET' || code === 'EPIPE'
  return isReused && isClosed && age < STALE_CONNECTION_MS
}
