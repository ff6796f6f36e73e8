import type { Balancer } from './balancer.js'
import type { Lease } from './leases/lease.js'
import type { RequestTraits } from './leases/lease-request.js'

/**
 * Returns true if a pool has a backend that is well, whether or not it is full; or one that was ejected and is due to be
 * probed by a request of any kind.
 */
export function isUsable({ parts: { isStopped, registry, ejection } }: Balancer): boolean {
  if (isStopped) return false
  if (registry.eligible.some((backend) => backend.isUsable)) return true
  const { probes } = ejection
  return probes.anyDue && probes.next({ repeatable: false }) !== undefined
}

/** Takes a lease for a request that need not be answered; returns undefined if it would have to wait. */
export function leaseAtOnce({ parts }: Balancer, request: RequestTraits): Lease | undefined {
  const { isStopped, queue, selection } = parts
  // Requests that wait come first.
  if (isStopped || queue.length > 0 || queue.isBehindOthers) return undefined
  return selection.choose(request, true)
}
