import { Type } from 'typebox'
import type { PoolView } from '../../balancer/index.js'
import { type RefusalCode, refusalCodes } from '../../balancer/stats/refusals.js'
import { Store } from './gateways.js'
import { Count, Policy } from './schemas.js'
import { schemaOf } from './view-schema.js'

const reasons: Record<RefusalCode, string> = {
  LEASTWISE_NO_BACKEND: 'No backend was usable.',
  LEASTWISE_QUEUE_FULL: 'Every backend was at its limit, and the queue was full.',
  LEASTWISE_QUEUE_TIMEOUT: 'Every backend was at its limit for longer than `QUEUE_TIMEOUT`.',
  LEASTWISE_OVERLOADED: 'The gateway itself had too much to do, or no descriptor, port or memory left.',
  LEASTWISE_STOPPED: 'The gateway shut down before they were answered.',
}

const poolExample = {
  policy: 'least-connections',
  backends: 3,
  eligible: 3,
  panic: false,
  inFlight: 12,
  queue: { length: 0, limit: 1000 },
  requests: 18204,
  retries: 3,
  hedges: 0,
  refused: {
    LEASTWISE_NO_BACKEND: 12,
    LEASTWISE_QUEUE_FULL: 0,
    LEASTWISE_QUEUE_TIMEOUT: 0,
    LEASTWISE_OVERLOADED: 0,
    LEASTWISE_STOPPED: 0,
  },
  closing: false,
}

/** The state of a pool as a whole. */
export const Pool = schemaOf<PoolView>()(
  Type.Object(
    {
      policy: Policy,
      backends: Count('Backends that are registered.'),
      eligible: Count('Those of them that requests are given to.'),
      panic: Type.Boolean({
        description:
          'Whether too few backends are healthy, so that requests are given to ejected or unhealthy ones, too.',
      }),
      inFlight: Count('Requests that backends work on now.'),
      queue: Type.Object(
        {
          length: Count('Requests that wait now.'),
          limit: Count('The most requests that may wait.'),
        },
        { description: 'Requests that wait because every backend is at its `maxConnections`.' },
      ),
      requests: Count('Requests that were given to a backend so far.'),
      retries: Count('Retries of them after a failure.'),
      hedges: Count('Hedges of them: a second backend was asked while the first had not responded.'),
      refused: Type.Object(
        Object.fromEntries(refusalCodes.map((code) => [code, Count(reasons[code])])) as Record<
          RefusalCode,
          ReturnType<typeof Count>
        >,
        {
          description:
            'Requests that clients were answered 503 for so far, though no backend failed them; by code.',
        },
      ),
      closing: Type.Boolean({ description: 'Whether the gateway shuts down.' }),
      store: Type.Optional(Store),
    },
    {
      title: 'Pool',
      description: 'The pool as a whole, as it is now.',
      examples: [poolExample],
    },
  ),
)

export const namedPoolExample = { name: 'default', ...poolExample }

/** The state of a pool, with its name. */
export const NamedPool = Type.Object(
  { name: Type.String({ description: 'Name of the pool.' }), ...Pool.properties },
  { title: 'NamedPool', description: 'A pool as a whole, as it is now.', examples: [namedPoolExample] },
)
