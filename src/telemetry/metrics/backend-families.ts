import type { Backend } from '../../balancer/backends/backend.js'
import { type BackendCounters, outcomes, statusClasses } from './backend-counters.js'
import {
  type Family,
  histogram,
  type Labels,
  type MeteredPool,
  type Sample,
  sample,
  states,
} from './family.js'
import type { Histogram } from './histogram.js'

const labels = new WeakMap<Backend, Labels>()

/**
 * The labels of a backend. Each call returns the same object, because prom-client caches the text of such an object.
 */
export function labelsOf(pool: MeteredPool, backend: Backend): Labels {
  let known = labels.get(backend)
  if (!known) {
    known = { pool: pool.name, backend: backend.id }
    labels.set(backend, known)
  }
  return known
}

type Kind = Pick<Family, 'name' | 'type' | 'help'>

/** Makes a family with lines for each registered backend. */
function perBackend(kind: Kind, lines: (backend: Backend, labels: Labels) => Sample[]): Family {
  return {
    ...kind,
    *of(pool) {
      for (const backend of pool.balancer.registry.list()) yield lines(backend, labelsOf(pool, backend))
    },
  }
}

/** Makes a family with lines for the requests of each registered backend, and for requests that no backend had. */
function perBackendCounters(
  kind: Kind,
  lines: (counters: BackendCounters, labels: Labels) => Sample[],
): Family {
  return {
    ...kind,
    *of(pool) {
      yield lines(pool.counters.none, { pool: pool.name, backend: '' })
      for (const backend of pool.balancer.registry.list()) {
        yield lines(pool.counters.of(backend), labelsOf(pool, backend))
      }
    },
  }
}

function gauge(name: string, help: string, value: (backend: Backend) => number): Family {
  return perBackend({ name, type: 'gauge', help }, (backend, own) => [sample(own, value(backend))])
}

/**
 * The lines of a histogram. They are left out for a backend without a request, because its 17 lines would say no more
 * than its counters do.
 */
function times(name: string, own: Labels, distribution: Histogram): Sample[] {
  return own.backend !== '' && distribution.isEmpty ? [] : histogram(name, own, distribution)
}

/** Counters that every backend shows before the first such request, so that the first one already gives a rate. */
const expected = new Set(['2xx ok', '5xx failed'])

const LAST = 'by the backend that had them last, or "" where none did'

/** The metrics of each backend. */
export const backendFamilies: readonly Family[] = [
  perBackendCounters(
    {
      name: 'leastwise_requests_total',
      type: 'counter',
      help: `Proxied requests that are over, ${LAST}, class of status, and outcome for the client`,
    },
    (counters, own) =>
      statusClasses.flatMap((code, i) =>
        outcomes.flatMap((outcome, j) => {
          const value = counters.requests(i, j)
          return value > 0 || (expected.has(`${code} ${outcome}`) && own.backend !== '')
            ? [sample(own, value, { code, outcome })]
            : []
        }),
      ),
  ),
  perBackendCounters(
    {
      name: 'leastwise_request_duration_seconds',
      type: 'histogram',
      help: `Time from the arrival of a request to its end, ${LAST}`,
    },
    (counters, own) => times('leastwise_request_duration_seconds', own, counters.duration),
  ),
  perBackendCounters(
    {
      name: 'leastwise_time_to_first_byte_seconds',
      type: 'histogram',
      help: "Time from the arrival of a request to the head of its backend's response",
    },
    (counters, own) =>
      own.backend === '' ? [] : times('leastwise_time_to_first_byte_seconds', own, counters.firstByte),
  ),
  perBackendCounters(
    {
      name: 'leastwise_request_body_bytes_total',
      type: 'counter',
      help: 'Bytes of request bodies that were passed on to backends',
    },
    (counters, own) => (own.backend === '' ? [] : [sample(own, counters.bytesIn)]),
  ),
  perBackendCounters(
    {
      name: 'leastwise_response_body_bytes_total',
      type: 'counter',
      help: `Bytes of response bodies, ${LAST}`,
    },
    (counters, own) => [sample(own, counters.bytesOut)],
  ),
  perBackend(
    {
      name: 'leastwise_backend_attempts_total',
      type: 'counter',
      help: 'Attempts on a backend that are over, by outcome; a request may have several',
    },
    ({ leases }, own) =>
      Object.entries(leases.ended).map(([outcome, count]) => sample(own, count, { outcome })),
  ),
  gauge('leastwise_backend_in_flight', 'Requests that a backend works on', ({ inFlight }) => inFlight),
  gauge(
    'leastwise_backend_tunnels',
    'Upgraded connections among them, such as WebSockets',
    ({ leases }) => leases.tunnels,
  ),
  gauge(
    'leastwise_backend_in_flight_elsewhere',
    'Requests that other gateways have in flight on a backend, as they said last',
    ({ inFlightElsewhere }) => inFlightElsewhere,
  ),
  gauge(
    'leastwise_backend_max_connections',
    'Requests that a backend may work on at a time',
    ({ maxConnections }) => maxConnections,
  ),
  gauge('leastwise_backend_weight', 'Weight of a backend', ({ weight }) => weight),
  gauge(
    'leastwise_backend_backup',
    '1 for a backend that is used only where no other is usable',
    ({ backup }) => Number(backup),
  ),
  gauge(
    'leastwise_backend_share_ratio',
    'Part of its fair share that a backend may have while it is used: less than 1 in slow start and after failures',
    (backend) => backend.share(),
  ),
  perBackend(
    {
      name: 'leastwise_backend_health',
      type: 'gauge',
      help: '1 for what was found of a backend: healthy, unhealthy, ejected or unknown',
    },
    ({ health }, own) =>
      states(own, 'health', ['healthy', 'unhealthy', 'ejected', 'unknown'] as const, health),
  ),
  perBackend(
    {
      name: 'leastwise_backend_state',
      type: 'gauge',
      help: '1 for the state that a backend was put in: active or draining',
    },
    ({ state }, own) => states(own, 'state', ['active', 'draining'] as const, state),
  ),
  perBackend(
    {
      name: 'leastwise_backend_ejections_total',
      type: 'counter',
      help: 'How often a backend was ejected for failures',
    },
    ({ ejections }, own) => [sample(own, ejections)],
  ),
]
