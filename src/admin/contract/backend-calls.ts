import { Type } from 'typebox'
import { MAX_TIMER_MS } from '../../balancer/time/clock.js'
import { Backend } from './backend.js'
import { Backup, HealthHost, HealthPort, HostHeader, MaxConnections, tlsFields } from './backend-fields.js'
import { Weight } from './schemas.js'

/** This file has the schemas of parameters, queries and bodies of the calls that concern backends. */

const OptionalTls = Type.Partial(Type.Object(tlsFields)).properties

/** A time in milliseconds, at most the longest delay that `setTimeout` accepts. */
const Milliseconds = Type.Integer({ minimum: 0, maximum: MAX_TIMER_MS })

/**
 * A time in milliseconds in a query, where every value is text. A pattern checks it, because a conversion to a number
 * would turn an empty value into 0.
 */
const MillisecondsText = Type.String({
  pattern: '^(0|[1-9][0-9]{0,8})$',
  'x-takes': 'whole milliseconds, of nine digits at most',
})

export const BackendParams = Type.Object({
  id: Type.String({ description: 'Id of the backend.', examples: ['c'] }),
})

const cutAfter =
  'Milliseconds after which requests that are still in flight are cut. `DRAIN_TIMEOUT` by default.'

export const Backends = Type.Object({
  backends: Type.Array(Backend, { description: 'In order of registration.' }),
})

export const AddBody = Type.Object(
  {
    url: Type.String({
      description:
        '`http` or `https`, host and port, without credentials, path, query or fragment; or `unix:` and the absolute path of a socket, like `unix:/run/app.sock`.',
    }),
    id: Type.Optional(
      Type.String({
        description:
          '1 to 64 of `A-Z a-z 0-9 . _ ~ -`, unique in the pool. Made from the url by default, like `10.0.0.3-8080`.',
      }),
    ),
    weight: Type.Optional(Weight),
    maxConnections: Type.Optional(MaxConnections),
    hostHeader: Type.Optional(HostHeader),
    backup: Type.Optional(Backup),
    healthPort: Type.Optional(HealthPort),
    healthHost: Type.Optional(HealthHost),
    ...OptionalTls,
  },
  { additionalProperties: false, examples: [{ url: 'http://10.0.0.3:8080', id: 'c' }] },
)

export const UpdateBody = Type.Object(
  {
    weight: Type.Optional(Weight),
    maxConnections: Type.Optional(MaxConnections),
    backup: Type.Optional(Backup),
    healthPort: Type.Optional(HealthPort),
    healthHost: Type.Optional(HealthHost),
    ...OptionalTls,
  },
  { additionalProperties: false, examples: [{ weight: 3, maxConnections: 100 }] },
)

export const DrainBody = Type.Object(
  { timeout: Type.Optional({ ...Milliseconds, description: cutAfter }) },
  { additionalProperties: false, examples: [{ timeout: 10_000 }] },
)

export const ActivateBody = Type.Object({}, { additionalProperties: false, examples: [{}] })

export const RemoveQuery = Type.Object(
  {
    force: Type.Optional(
      Type.Enum(['true', 'false'], {
        type: 'string',
        description: 'Whether requests in flight are cut now. `false` by default.',
        examples: ['true'],
      }),
    ),
    timeout: Type.Optional({ ...MillisecondsText, description: cutAfter, examples: ['10000'] }),
  },
  { additionalProperties: false },
)
