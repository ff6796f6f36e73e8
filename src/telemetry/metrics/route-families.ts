import { outcomes } from './backend-counters.js'
import { type Family, histogram, type Labels, type Sample, sample } from './family.js'
import { type MetricsRegistry, metricIn } from './metrics.js'
import { mirrorOutcomes, type RouteCounters } from './route-counters.js'
import type { RouteMeter } from './route-meter.js'

const labels = new WeakMap<RouteCounters, Labels>()

/** The labels of a route. Each call returns the same object, because prom-client caches the text of such an object. */
function labelsOf(route: string, counters: RouteCounters): Labels {
  let known = labels.get(counters)
  if (!known) {
    known = { route }
    labels.set(counters, known)
  }
  return known
}

/** Makes a family with lines for each route. */
function perRoute(
  kind: Pick<Family, 'name' | 'type' | 'help'>,
  lines: (counters: RouteCounters, own: Labels) => Sample[],
): Family<RouteMeter> {
  return {
    ...kind,
    *of(meter) {
      for (const [route, counters] of meter) yield lines(counters, labelsOf(route, counters))
    },
  }
}

/** The metrics of each route. */
export const routeFamilies: readonly Family<RouteMeter>[] = [
  perRoute(
    {
      name: 'leastwise_route_requests_total',
      type: 'counter',
      help: 'Requests that a route took and that are over, by outcome for the client',
    },
    (counters, own) => outcomes.map((outcome) => sample(own, counters.requests(outcome), { outcome })),
  ),
  perRoute(
    {
      name: 'leastwise_route_request_duration_seconds',
      type: 'histogram',
      help: 'Time from the arrival of a request that a route took to its end',
    },
    // The 17 lines of a route without a request would say no more than its counters do.
    ({ duration }, own) =>
      duration.isEmpty ? [] : histogram('leastwise_route_request_duration_seconds', own, duration),
  ),
]

/** The metric of routes with a mirror. */
export const mirrorFamily = perRoute(
  {
    name: 'leastwise_mirror_requests_total',
    type: 'counter',
    help: 'Requests of a route that were to be copied to its mirror, by what became of the copy',
  },
  (counters, own) =>
    mirrorOutcomes.some((outcome) => counters.mirrored(outcome) > 0)
      ? mirrorOutcomes.map((outcome) => sample(own, counters.mirrored(outcome), { outcome }))
      : [],
)

/** The metric of routes with a rate limit. */
export const rateLimitFamily = perRoute(
  {
    name: 'leastwise_rate_limit_uncounted_total',
    type: 'counter',
    help: 'Requests of a route that could not be counted for its rate limit',
  },
  ({ isLimited, uncounted }, own) => (isLimited ? [sample(own, uncounted)] : []),
)

/** Puts the metric of routes with a rate limit into a registry. */
export function registerRateLimitsIn(registry: MetricsRegistry, meter: RouteMeter): void {
  metricIn(registry, rateLimitFamily).sources.add(meter)
}

/** Puts the metric of routes with a mirror into a registry. */
export function registerMirrorsIn(registry: MetricsRegistry, meter: RouteMeter): void {
  metricIn(registry, mirrorFamily).sources.add(meter)
}

/**
 * Puts the metrics of a gateway's routes into a registry.
 * @returns a function that removes the lines of these routes from the registry
 */
export function registerRoutesIn(registry: MetricsRegistry, meter: RouteMeter): () => void {
  const metrics = routeFamilies.map((family) => metricIn(registry, family))
  for (const { sources } of metrics) sources.add(meter)
  return () => {
    for (const { sources } of metrics) sources.delete(meter)
  }
}
