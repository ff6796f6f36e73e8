import type { FastifyError } from 'fastify'
import type { LeaseRequest } from '../balancer/leases/lease-request.js'
import { ProxyContext } from './context.js'
import { keyFor } from './downstream/affinity/affinity.js'
import { isOpen, onFinished } from './downstream/connection/pipeline.js'
import type { HttpDownstream } from './downstream/downstream.js'
import type { Destination } from './downstream/request/admission.js'

/** Methods of requests that another backend can answer as well if the first one fails. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Takes a lease on a backend for a request. While all backends are full, the request waits in the queue for it.
 * @param done called with the lease in `request.assignment`, or with the reason why there is none; not called if the
 *   client has left
 */
export function takeLease(
  downstream: HttpDownstream,
  { path, host }: Destination,
  done: (error?: Error) => void,
): void {
  const { request, reply, protocol, isUpgrade, target } = downstream
  const { balancer, affinity } = target
  const { raw } = request
  // The client may have left while a hook of the app ran or an earlier request was answered.
  if (!isOpen(raw, reply.raw)) return
  const clientKey = affinity && keyFor(affinity, downstream, path)
  affinity?.strip(request)
  const isRepeatable = REPEATABLE.has(raw.method as string) && !isUpgrade && !protocol.hasBody(raw)
  const leaseRequest: LeaseRequest = {
    onLease(lease) {
      // Hooks of the app run before the backend is asked.
      lease.prepare()
      const { policy } = balancer
      request.assignment = new ProxyContext(request.id, lease, policy, path, host, downstream, clientKey)
      done()
    },
    onReject(error) {
      target.onRefused(host)
      done(error as FastifyError)
    },
    request: request.id,
    // A probe of another backend than that of the key may end a session.
    repeatable: isRepeatable && clientKey === undefined,
    upgrade: isUpgrade,
    key: clientKey?.key,
    home: clientKey?.home,
    pinned: clientKey?.pinned,
    queuedAt: undefined,
  }
  const leaveQueue = balancer.lease(leaseRequest)
  if (!leaveQueue) return
  downstream.queuedAt = leaseRequest.queuedAt as number
  onFinished(raw, reply.raw, leaveQueue)
}
