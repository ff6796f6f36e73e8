import type { Backend } from '../../balancer/backends/backend.js'
import type { Balancer } from '../../balancer/balancer.js'
import type { ProxyContext } from '../context.js'

/** What becomes of a request that needs another lease; one of the two is called, once, unless its client leaves. */
export interface ReacquireOptions {
  /** Backends that are not to be chosen. */
  except?: ReadonlySet<Backend> | undefined
  /** Whether a backend has failed it. */
  again: boolean
  /** The assignment has its new lease. */
  granted(): void
  refused(error: Error): void
}

/** Takes another lease for a request, at once or in its turn; a client that leaves meanwhile leaves the queue. */
export function reacquire(
  balancer: Balancer,
  assignment: ProxyContext,
  { except, again, granted, refused }: ReacquireOptions,
): void {
  let since: number | undefined
  const leaveQueue = () => {
    assignment.leaveQueue = undefined
    if (since !== undefined) assignment.requeueTime += balancer.clock.now() - since
  }
  const leave = balancer.lease({
    except,
    repeatable: false,
    again,
    upgrade: assignment.upgrade !== undefined,
    request: assignment.requestId,
    onLease(lease) {
      leaveQueue()
      assignment.lease = lease
      granted()
    },
    onReject(error) {
      leaveQueue()
      refused(error)
    },
  })
  // Not otherwise: what was granted at once may have failed at once, and be in the queue by now.
  if (!leave) return
  since = balancer.clock.now()
  assignment.leaveQueue = () => {
    leaveQueue()
    leave()
  }
}
