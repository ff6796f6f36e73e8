import { Type } from 'typebox'
import { MAX_CONNECTIONS, MAX_WEIGHT } from '../../balancer/backends/spec.js'
import { policyNames } from '../../balancer/selection/policies/index.js'

/**
 * Schemas that several routes share. One with a `title` is a component of that name in the API's description.
 * (No `$id`: a host app's own @fastify/swagger would collect it.)
 */

export const Count = (description: string) => Type.Integer({ minimum: 0, description })

export const Time = (description: string) => Type.String({ format: 'date-time', description })

const Latency = (description: string) => Type.Number({ minimum: 0, description })

/** `type` as a list: a union's messages would name each of its members. */
export const nullable = <T>(schema: object & { type: string }) =>
  Type.Unsafe<T | null>({ ...schema, type: [schema.type, 'null'] })

export const Policy = Type.Enum([...policyNames], {
  title: 'PolicyName',
  type: 'string',
  description: 'How a backend is chosen for a request.',
})

export const Weight = Type.Integer({
  minimum: 1,
  maximum: MAX_WEIGHT,
  'x-takes': `a whole number from 1 to ${MAX_WEIGHT} (drain a backend that is to get no new request)`,
  description: 'Share relative to the other backends: one of weight 2 gets twice what one of weight 1 gets.',
})

/** 0 and null both mean: no limit. */
export const MaxConnections = nullable<number>(
  Type.Integer({
    minimum: 0,
    maximum: MAX_CONNECTIONS,
    description: 'Requests in flight that the backend may hold; 0 and null are no limit.',
  }),
)

export const HostHeader = Type.Enum(['client', 'backend'], {
  type: 'string',
  description:
    'Which Host the backend sees: the one that the client sent, or its own address. `HOST_HEADER` by default.',
})

export const Backup = Type.Boolean({
  description: 'Whether it is used only where no other backend is usable.',
})

export const HealthPort = nullable<number>(
  Type.Integer({
    minimum: 1,
    maximum: 65_535,
    description: "Port that its checks ask; null for `HEALTH_PORT`, or the backend's own where that is 0.",
  }),
)

export const HealthHost = nullable<string>(
  Type.String({
    description:
      'Host that its checks say; null for `HEALTH_HOST`, or the Host of its requests where that is empty.',
    examples: ['shop.example'],
  }),
)

/** `setTimeout` takes no more. */
export const Milliseconds = Type.Integer({ minimum: 0, maximum: 2_147_483_647 })

/** Milliseconds in a query, where everything is text: as such, or an empty one would count as 0. */
export const Digits = Type.String({
  pattern: '^(0|[1-9][0-9]{0,8})$',
  'x-takes': 'whole milliseconds, of nine digits at most',
})

export const BackendParams = Type.Object({
  id: Type.String({ description: 'Id of the backend.', examples: ['c'] }),
})

export const backendExample = {
  id: 'c',
  url: 'http://10.0.0.3:8080',
  weight: 1,
  maxConnections: null,
  state: 'active',
  health: 'healthy',
  inFlight: 3,
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
  unresolved: null,
}

export const Backend = Type.Object(
  {
    id: Type.String({ description: 'Unique in the pool: 1 to 64 of `A-Z a-z 0-9 . _ ~ -`.' }),
    url: Type.String({ description: 'Scheme, host and port. Unique in the pool.' }),
    weight: Weight,
    maxConnections: nullable<number>(
      Type.Integer({
        minimum: 1,
        maximum: MAX_CONNECTIONS,
        description: 'Requests in flight that it may hold; null for no limit.',
      }),
    ),
    state: Type.Enum(['active', 'draining'], {
      type: 'string',
      description: 'What the operator wants: `draining` gets no new request.',
    }),
    health: Type.Enum(['healthy', 'unhealthy', 'ejected', 'unknown'], {
      type: 'string',
      description:
        'What was found: `unhealthy` by checks, `ejected` after failures, otherwise `healthy`, or `unknown` where it was not checked yet.',
    }),
    inFlight: Count('Requests that it works on now.'),
    tunnels: Count('How many of those in flight are upgraded connections, such as WebSockets.'),
    total: Count('Requests that it was given since it was registered.'),
    failed: Count(
      'Those of them that it refused, reset, left without an answer, or answered with a status of `FAILURE_STATUS`, by default 500 and 502 to 504.',
    ),
    latency: Type.Object(
      {
        ewma: Latency('Moving average.'),
        p50: Latency('Median.'),
        p99: Latency('99th percentile.'),
      },
      {
        description:
          'Milliseconds until the first byte of an answer, from when the backend had the whole request, over the last 1,024 requests; 0 before the first.',
      },
    ),
    addedAt: Time('When it was registered.'),
    share: Type.Number({
      minimum: 0,
      maximum: 1,
      description:
        'Part of its fair share that it may have while it is used: less than 1 in slow start and after failures.',
    }),
    ejectedUntil: nullable<string>(Time('When an ejected one is tried again; null otherwise.')),
    lastCheck: nullable<{ at: string; passed: boolean; detail: string }>(
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
)

/** The body of every error. */
export const ErrorBody = Type.Object(
  {
    statusCode: Type.Integer({
      minimum: 400,
      maximum: 599,
      description: 'The status of the answer, once more.',
    }),
    code: Type.String({
      pattern: '^LEASTWISE_[A-Z_]+$',
      description:
        'What went wrong, for programs: one of those that are named with the answer. Codes stay as they are from version to version.',
    }),
    error: Type.String({ description: 'The name of the status.' }),
    message: Type.String({ description: 'What went wrong, for people.' }),
  },
  { title: 'Error', description: 'Every error has this shape.' },
)
