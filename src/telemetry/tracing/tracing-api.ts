import type * as OpenTelemetry from '@opentelemetry/api'
import type { ObserverGuard } from '../../balancer/observer-guard.js'

/** The package `@opentelemetry/api`, which is loaded only where it is installed. */
export type TracingApi = typeof OpenTelemetry

/** Facts of a route that its spans have. */
export interface TracedRoute {
  pool: string
  /** The name of the route; undefined where everything goes to one pool. */
  name: string | undefined
  /** The path that the route is for; undefined where Fastify's own route has it. */
  path: string | undefined
  /** Reports what a part of the SDK throws. */
  guard: ObserverGuard
}
