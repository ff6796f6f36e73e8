import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Balancer } from '../balancer/balancer.js'
import type { Affinity } from './downstream/affinity/affinity.js'
import type { RequestTracer } from './http/request-trace.js'
import type { Forwarding } from './upstream/forwarding.js'

/** A pool as a route uses it. */
export interface RouteTarget {
  /** The name of the pool. */
  readonly pool: string
  readonly balancer: Balancer
  readonly forwarding: Forwarding
  /** What finds the keys by which backends are chosen; undefined where requests have none. */
  readonly affinity: Affinity | undefined
  /** What begins the traces of requests; undefined where traces cannot be recorded. */
  readonly tracer: RequestTracer | undefined
  /** Called with the Host of each request for which no backend was found. */
  onRefused(host: string | undefined): void
  /** Called with each request when it is over for its client, however it ended. */
  record(request: FastifyRequest, reply: FastifyReply): void
}
