import type { Outcome } from '../../../balancer/leases/outcome.js'
import type { Phase } from '../phases.js'
import type { Progress } from './blame.js'
import { BackendTimeoutError, UploadStalledError } from './failures.js'

/**
 * Returns the error of a request whose deadline has expired, and its outcome, which says whose fault the error is.
 * Returns undefined if the request gets the time limit of the phase once more.
 */
export function failureOnDeadline(
  phase: Phase,
  { context, upload, transport, isRespondingWell }: Progress,
): { error: Error; outcome: Outcome } | undefined {
  const isUploading = upload?.isOver === false
  if (isUploading && !transport.blocked) {
    // Either the client has not sent more of the body in time, or a hook of the app has not, which makes another body
    // from the client's body.
    const isMade = context.source?.complete === true
    // The timer of the client's connection ends the request during the second time, with a more precise reason.
    if (!isMade && !upload.isLate) {
      upload.isLate = true
      return undefined
    }
    return { error: new UploadStalledError(isMade), outcome: 'cancelled' }
  }
  // A backend that has responded well may have nothing to send, and is not blamed for the silence.
  if (isRespondingWell) return { error: new BackendTimeoutError('body'), outcome: 'cancelled' }
  return { error: new BackendTimeoutError(isUploading ? 'request' : phase), outcome: 'failed' }
}
