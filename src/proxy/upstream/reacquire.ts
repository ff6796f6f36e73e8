import type { Backend } from '../../balancer/backends/backend.js'
import type { Balancer } from '../../balancer/balancer.js'
import type { Assignment } from '../context.js'

/** What becomes of a request that needs another lease; one of the two is called, once, unless its client leaves. */
export interface Again {
  /** Backends that are not to be chosen. */
  except?: ReadonlySet<Backend> | undefined
  /** Whether a backend has failed it. */
  again: boolean
  /** The assignment has its new lease. */
  granted(): void
  refused(error: Error): void
}

/** Takes another lease for a request, at once or in its turn; a client that leaves meanwhile leaves the queue. */
export function leaseAgain(
  balancer: Balancer,
  assignment: Assignment,
  { except, again, granted, refused }: Again,
): void {
  let since: number | undefined
  const leaveQueue = () => {
    assignment.leaveQueue = undefined
    if (since !== undefined) assignment.waitedAgain += balancer.clock.now() - since
  }
  const leave = balancer.lease({
    except,
    repeatable: false,
    again,
    upgrade: assignment.upgrade !== undefined,
    request: assignment.request,
    granted(lease) {
      leaveQueue()
      assignment.lease = lease
      granted()
    },
    refused(error) {
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
