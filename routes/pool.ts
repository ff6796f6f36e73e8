import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Pool } from '../src/admin/contract/pool.js'
import { jsonResponse } from '../src/admin/contract/responses.js'

/** Adds the route that shows the state of a pool as a whole. */
export const poolRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/pool',
    {
      config: { operationId: 'getPool' },
      schema: {
        tags: ['Pool'],
        summary: 'How the pool is',
        description:
          'How many backends there are and can be used, how many requests they have, and counts since the start.',
        response: { 200: jsonResponse(Pool, 'The pool.') },
      },
    },
    async (request) => app.poolOf(request).view(),
  )
}
