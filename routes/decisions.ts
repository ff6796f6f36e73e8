import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { DecisionQuery, Decisions } from '../src/admin/contract/decisions.js'
import { jsonResponse } from '../src/admin/contract/responses.js'

/** Adds the route that lists the latest requests with the backend that was chosen for each. */
export const decisionRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.get(
    '/decisions',
    {
      config: { operationId: 'listDecisions' },
      schema: {
        tags: ['Pool'],
        summary: 'Who was given the latest requests',
        description:
          'The last 1,000 choices at most, the latest first: one for each attempt of a request, so that a request with retries has several. `limit`, `backend` and `request` select from them.',
        querystring: DecisionQuery,
        response: { 200: jsonResponse(Decisions, 'The choices.') },
      },
    },
    async (call) => {
      const { limit, backend, request } = call.query
      const pool = app.poolOf(call)
      return {
        decisions: await pool.everyDecision({
          limit: limit === undefined ? undefined : Number(limit),
          backend,
          request,
        }),
      }
    },
  )
}
