import type { Lease } from './lease.js'
import type { LeaseRequest } from './lease-request.js'

/**
 * Takes a lease, at once or in turn, as a promise.
 * @param take asks for it, and returns what leaves the queue where the request has to wait
 * @param signal gives up, with its reason
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
