import { errors } from 'undici'
import type { Outcome } from '../../../balancer/leases/outcome.js'
import type { ProxyContext } from '../../context.js'
import { UnresolvedError } from '../dns/unresolved-error.js'
import type { ResponseBody } from '../response-body.js'
import type { Transport } from '../transport/transport.js'
import type { UploadProgress } from '../upload-progress.js'
import { exhaustionOf } from './exhaustion.js'
import { isClientFault, isHeadTooLarge } from './failures.js'

/** How far a request has come on a backend. */
export interface Progress {
  readonly context: ProxyContext
  readonly transport: Pick<Transport, 'blocked'>
  /** Monotonic milliseconds. */
  readonly now: number
  /** Whether the backend may have seen something of the request. */
  readonly isSent: boolean
  /** Whether the backend has responded well, and part of the response's body is still to come. */
  readonly isRespondingWell: boolean
  /** Progress of sending the request's body; undefined where the request has none. */
  readonly upload: UploadProgress | undefined
  /** The body of the response; undefined where no response has begun. */
  readonly body: Pick<ResponseBody, 'isStream' | 'pausedFor'> | undefined
}

/** Parser error codes for bytes that are not HTTP at all, as opposed to an early end. */
const NOT_HTTP = /^HPE_(?!INVALID_EOF_STATE)/
/** A server may give up on a client that makes no progress for this long. */
const STALLED_MS = 200
/** From this size on a server may find a body too large before it has all of it. */
const LARGE_BODY_BYTES = 64 * 1024
/** A kept connection that was closed before its next use shows it within this time. */
const STALE_CONNECTION_MS = 500

/** Whose fault a failure is: `failed` is the backend's, `doubtful` perhaps the client's, `cancelled` not the backend's. */
export function outcomeOf(error: Error, progress: Progress): Outcome {
  const isBlameless =
    isClientFault(error) ||
    // A limit of the gateway's, a name that cannot be resolved, and too few descriptors are not the backend's fault.
    isHeadTooLarge(error) ||
    error instanceof UnresolvedError ||
    exhaustionOf(error) !== undefined ||
    // A backend that closes with some of an upload unread resets the connection, and with it the rest of its response.
    (progress.upload?.isRefused && progress.isRespondingWell)
  if (isBlameless) return 'cancelled'
  return isClientInduced(error, progress) ? 'doubtful' : 'failed'
}

/**
 * Whether a backend that breaks off may have its reasons with this client, which sends more than the backend takes,
 * stalls, does not read, or wants an unknown protocol. No client shall be able to have a backend ejected.
 */
function isClientInduced(error: NodeJS.ErrnoException, progress: Progress): boolean {
  const { context, transport, now, isSent, upload, body } = progress
  if (!isSent || NOT_HTTP.test(error.code ?? '')) return false
  if (upload?.isRefused || (context.upgrade && !body?.isStream)) return true
  if (!upload || upload.isOver) return body !== undefined && body.pausedFor >= STALLED_MS
  // A backend that does not take what there is cannot be waiting for more of it.
  const isStalled = !transport.blocked && upload.stalledFor(now) >= STALLED_MS
  return isStalled || upload.bytes >= LARGE_BODY_BYTES
}

/**
 * Whether only the connection was to blame, and the backend may be well: the connection was a kept one that was closed
 * meanwhile, or undici took a 100 (Continue) on it for an error, as Node's client does not.
 * @param age milliseconds since the request was sent
 */
export function isConnectionFault(error: Error, isReused: boolean, age: number): boolean {
  if (error instanceof errors.SocketError && error.message === 'bad response') return true
  const { code = '' } = error as NodeJS.ErrnoException
  const isClosed = code === 'ECONNRESET' || code === 'EPIPE' || code === 'UND_ERR_SOCKET'
  return isReused && isClosed && age < STALE_CONNECTION_MS
}
