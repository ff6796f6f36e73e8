import type { IncomingMessage } from 'node:http'

/** The route of a request, where the gateway has several. */
export interface Route {
  /** Name of the route in logs, metrics and the API; undefined where everything goes to one pool. */
  readonly name: string | undefined
}

const ROUTE: unique symbol = Symbol('leastwise.route')

type Routed = IncomingMessage & { [ROUTE]?: Route }

/** Notes which route takes a request. This is done once, before Fastify sees the request. */
export function assignRoute(raw: IncomingMessage, route: Route): void {
  ;(raw as Routed)[ROUTE] = route
}

/** The route that takes a request; undefined where no route was assigned. */
export function routeOf(raw: IncomingMessage): Route | undefined {
  return (raw as Routed)[ROUTE]
}
