import type { Lease } from './lease.js'
import type { LeaseRequest } from './lease-request.js'

/**
 * Takes a lease and returns it as a promise, which resolves at once or when the request's turn in the queue has come.
 * @param take asks for the lease; where the request has to wait, it returns a function that takes the request out of
 *   the queue
 * @param signal when aborted, rejects the promise with the signal's reason
 */
export function leasePromise(
  take: (request: LeaseRequest) => (() => void) | undefined,
  signal: AbortSignal | undefined,
): Promise<Lease> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const stopListening = () => signal?.removeEventListener('abort', giveUp)
    const leaveQueue = take({
      onLease(lease) {
        stopListening()
        resolve(lease)
      },
      onReject(error) {
        stopListening()
        reject(error)
      },
    })
    function giveUp() {
      leaveQueue?.()
      reject(signal?.reason)
    }
    if (leaveQueue) signal?.addEventListener('abort', giveUp, { once: true })
  })
}
