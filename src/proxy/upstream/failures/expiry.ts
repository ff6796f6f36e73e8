import type { Outcome } from '../../../balancer/leases/outcome.js'
import type { Phase } from '../phases.js'
import type { Progress } from './blame.js'
import { BackendTimeoutError, UploadStalledError } from './failures.js'

/**
 * What a request fails with whose deadline has expired, and whose fault that is; undefined where it gets the time of the
 * phase once more.
 */
export function failureOnDeadline(
  phase: Phase,
  { context, upload, transport, isRespondingWell }: Progress,
): { error: Error; outcome: Outcome } | undefined {
  const isUploading = upload?.isOver === false
  if (isUploading && !transport.blocked) {
    // The client has not sent more of the body in time, or a hook of the app that makes another body of what it sent.
    const isMade = context.source?.complete === true
    // The timer of the client's connection ends the request during the second time, with a more precise reason.
    if (!isMade && !upload.isLate) {
      upload.isLate = true
      return undefined
    }
    return { error: new UploadStalledError(isMade), outcome: 'cancelled' }
  }
  // A backend that has responded well may have nothing to send, and is not blamed for it.
  if (isRespondingWell) return { error: new BackendTimeoutError('body'), outcome: 'cancelled' }
  return { error: new BackendTimeoutError(isUploading ? 'request' : phase), outcome: 'failed' }
}
