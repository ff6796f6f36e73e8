import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { answer } from './describe.js'
import { Policy } from './schemas.js'

const Pool = Type.Object(
  {
    policy: Policy,
    backends: Type.Integer({ minimum: 0, description: 'Backends that are registered.' }),
    eligible: Type.Integer({ minimum: 0, description: 'Those of them that requests are given to.' }),
    panic: Type.Boolean({
      description: 'Whether too few are well, so that requests are given to sick ones, too.',
    }),
    inFlight: Type.Integer({ minimum: 0, description: 'Requests that backends work on now.' }),
    queue: Type.Object(
      {
        length: Type.Integer({ minimum: 0, description: 'Requests that wait.' }),
        limit: Type.Integer({ minimum: 0, description: 'How many may.' }),
      },
      { description: 'Requests that wait because every backend is at its `maxConnections`.' },
    ),
    requests: Type.Integer({ minimum: 0, description: 'Requests that were given to a backend so far.' }),
    retries: Type.Integer({ minimum: 0, description: 'Further tries of them after a failure.' }),
    hedges: Type.Integer({ minimum: 0, description: 'Second tries while the first was under way.' }),
    closing: Type.Boolean({ description: 'Whether the gateway shuts down.' }),
  },
  {
    title: 'Pool',
    description: 'The pool as a whole, as it is now.',
    examples: [
      {
        policy: 'least-connections',
        backends: 3,
        eligible: 3,
        panic: false,
        inFlight: 12,
        queue: { length: 0, limit: 1000 },
        requests: 18204,
        retries: 3,
        hedges: 0,
        closing: false,
      },
    ],
  },
)

/** How the pool is as a whole. */
export const poolRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/pool',
    {
      config: { operationId: 'getPool' },
      schema: {
        tags: ['Pool'],
        summary: 'How the pool is',
        description: 'How many backends there are and can be used, and what they have to do.',
        response: { 200: answer(Pool, 'The pool.') },
      },
    },
    async () => app.balancer.view(),
  )
}
