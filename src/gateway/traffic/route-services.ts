import type { KeySetSource } from '../../auth/keys/key-set-source.js'
import type { PatientCounter } from '../../limits/patient-counter.js'
import type { RouteMeter } from '../../telemetry/metrics/route-meter.js'

/** The name under which requests are counted that no route takes. */
export const NO_ROUTE = ''

/** What routes use and what outlives them, so that another configuration goes on with it. */
export interface RouteServices {
  /** Where the keys of issuers come from. */
  keySets: KeySetSource
  /** Counts requests for rate limits. */
  counter: PatientCounter
  /** Counts the requests of each route. */
  meter: RouteMeter
}

/** The names under which requests are counted. */
export function countedRoutes(routes: readonly { name: string }[]): string[] {
  return routes.length === 0 ? [] : [...routes.map(({ name }) => name), NO_ROUTE]
}
