import type { Backend } from '../../balancer/backends/backend.js'
import type { Balancer } from '../../balancer/balancer.js'
import type { Lease } from '../../balancer/leases/lease.js'
import type { LeaseRequest } from '../../balancer/leases/lease-request.js'
import type { ProxyContext } from '../context.js'

/**
 * Options for a request that needs another lease. `onLease` or `onReject` is called, once, unless the client leaves.
 */
export interface ReacquireOptions {
  /** Backends that must not be chosen. */
  except?: ReadonlySet<Backend> | undefined
  /** True if a backend has already failed the request. */
  again: boolean
  /** Called when the request's context has its new lease. */
  onLease(lease: Lease): void
  onReject(error: Error): void
}

/**
 * Takes another lease for a request, at once or after a wait in the queue. If the client leaves meanwhile, the request
 * leaves the queue.
 */
export function reacquire(
  balancer: Balancer,
  context: ProxyContext,
  { except, again, onLease, onReject }: ReacquireOptions,
): void {
  const endWait = () => {
    context.leaveQueue = undefined
    const { queuedAt } = request
    if (queuedAt !== undefined) context.requeueTime += balancer.clock.now() - queuedAt
  }
  const request: LeaseRequest = {
    except,
    repeatable: false,
    again,
    upgrade: context.upgrade !== undefined,
    key: context.clientKey?.key,
    home: context.clientKey?.home,
    pinned: context.clientKey?.pinned,
    request: context.requestId,
    onLease(lease) {
      endWait()
      context.lease = lease
      onLease(lease)
    },
    onReject(error) {
      endWait()
      onReject(error)
    },
  }
  const leave = balancer.lease(request)
  // `leaveQueue` is set only if this call has to wait: an attempt on a lease that was granted at once may have failed
  // at once, and the request may be in the queue again.
  if (!leave) return
  context.leaveQueue = () => {
    endWait()
    leave()
  }
}
