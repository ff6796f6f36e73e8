import { Type } from 'typebox'
import { MAX_CONNECTIONS } from '../../balancer/backends/spec.js'
import type { BackendView } from '../../balancer/index.js'
import { Backup, HealthHost, HealthPort, tlsFields } from './backend-fields.js'
import { Count, nullable, Time, Weight } from './schemas.js'
import { schemaOf } from './view-schema.js'

const Latency = (description: string) => Type.Number({ minimum: 0, description })

export const backendExample = {
  id: 'c',
  url: 'http://10.0.0.3:8080',
  weight: 1,
  maxConnections: null,
  state: 'active',
  health: 'healthy',
  inFlight: 3,
  inFlightElsewhere: 0,
  tunnels: 0,
  total: 1024,
  failed: 2,
  latency: { ewma: 11.8, p50: 10.9, p99: 48.2 },
  addedAt: '2026-01-31T12:00:00.000Z',
  share: 1,
  ejectedUntil: null,
  lastCheck: { at: '2026-01-31T12:34:56.000Z', passed: true, detail: 'status 200' },
  backup: false,
  healthPort: null,
  healthHost: null,
  ca: null,
  cert: null,
  key: null,
  servername: null,
  rejectUnauthorized: null,
  unresolved: null,
}

/** The fields in which the example of a newly registered backend differs from `backendExample`. */
export const newBackendExample = {
  health: 'unknown',
  inFlight: 0,
  total: 0,
  failed: 0,
  latency: { ewma: 0, p50: 0, p99: 0 },
  share: 0,
  lastCheck: null,
}

/** A backend as responses of the API show it. */
export const Backend = schemaOf<BackendView>()(
  Type.Object(
    {
      id: Type.String({
        description:
          'Unique in the pool: 1 to 64 of `A-Z a-z 0-9 . _ ~ -`. Made from the URL where none is given, like `10.0.0.3-8080`.',
      }),
      url: Type.String({
        description:
          '`http` or `https`, with a host and a port and nothing else, or `unix:` and the path of a socket. Unique in the pool.',
      }),
      weight: Weight,
      maxConnections: nullable<number>(
        Type.Integer({
          minimum: 1,
          maximum: MAX_CONNECTIONS,
          description: 'The most requests in flight; null for no limit.',
        }),
      ),
      state: Type.Enum(['active', 'draining'], {
        type: 'string',
        description: 'What an operator decided: `active`, or `draining`, which gets no new request.',
      }),
      health: Type.Enum(['healthy', 'unhealthy', 'ejected', 'unknown'], {
        type: 'string',
        description:
          'What was found: `unhealthy` by checks, `ejected` after failures, otherwise `healthy`, or `unknown` where it was not checked yet.',
      }),
      inFlight: Count('Requests that the backend works on now.'),
      inFlightElsewhere: Count(
        'Requests that other gateways have in flight on it, as they said last; 0 where no store is shared.',
      ),
      tunnels: Count('Those of `inFlight` that are WebSockets or other upgraded connections.'),
      total: Count('Requests that it was given since it was registered.'),
      failed: Count(
        'Failures since it was registered: requests that it refused, reset, left without a response, or answered with a status of `FAILURE_STATUS`, by default 500 and 502 to 504; not those that a client gave up or a drain cut.',
      ),
      latency: Type.Object(
        {
          ewma: Latency('Moving average.'),
          p50: Latency('Median.'),
          p99: Latency('99th percentile.'),
        },
        {
          description:
            'Milliseconds from the end of the request to the first byte of the response, over the last 1,024 requests; 0 before the first. Neither hooks of an app nor the time to connect are part of it.',
        },
      ),
      addedAt: Time('When it was registered.'),
      share: Type.Number({
        minimum: 0,
        maximum: 1,
        description:
          'The part of its fair share that it may have while it is used, from 0 to 1: less than 1 in slow start and after failures.',
      }),
      ejectedUntil: nullable<string>(Time('When an ejected one is tried again; null otherwise.')),
      lastCheck: nullable<NonNullable<BackendView['lastCheck']>>(
        Type.Object(
          {
            at: Time('When it was made.'),
            passed: Type.Boolean({ description: 'Whether it passed.' }),
            detail: Type.String({
              description: 'What was found, like `status 503`, `timed out` or `ECONNREFUSED`.',
            }),
          },
          { description: 'The last active check; null before the first, and where there are none.' },
        ),
      ),
      backup: Backup,
      healthPort: HealthPort,
      healthHost: HealthHost,
      ...tlsFields,
      unresolved: nullable<string>(
        Type.String({
          description:
            'Error code of the look-up, like `ENOTFOUND`, where its name has never had an address: it is not used then. Null otherwise.',
        }),
      ),
    },
    {
      title: 'Backend',
      description: 'A backend of the pool, as it is now.',
      examples: [backendExample],
    },
  ),
)

/** The response about a backend that gets no new request from now on, with a warning of what clients will notice. */
export const LeavingBackend = Type.Object(
  {
    ...Backend.properties,
    warning: Type.Optional(
      Type.String({
        description:
          'What clients will notice: there where no other backend is usable, and left out otherwise.',
      }),
    ),
  },
  {
    title: 'LeavingBackend',
    description: 'A backend that gets no new request.',
    examples: [{ ...backendExample, state: 'draining' }],
  },
)
