import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { ExplainBody, ExplanationSchema } from '../src/admin/contract/explanation.js'
import { jsonResponse } from '../src/admin/contract/responses.js'

/** Adds the route that explains which backend would get the next request, and why. */
export const explainRoutes: FastifyPluginAsyncTypebox = async (app) => {
  app.post(
    '/explain',
    {
      config: { operationId: 'explain', errors: ['LEASTWISE_BACKEND_NOT_FOUND'] },
      schema: {
        tags: ['Pool'],
        summary: 'Who would be given the next request, and why',
        description:
          'A dry run: nothing is changed by it, no later choice either. Requests that wait already come before one that is asked about.',
        body: ExplainBody,
        response: { 200: jsonResponse(ExplanationSchema, 'What would become of the request.') },
      },
    },
    async (request) => {
      const { except = [], repeatable, upgrade, key } = request.body
      const pool = app.poolOf(request)
      const explanation = await pool.explainNext({
        except: new Set(except.map((id) => pool.registry.get(id))),
        repeatable,
        upgrade,
        key,
      })
      const { error } = explanation
      return { ...explanation, error: error && { statusCode: 503, ...error } }
    },
  )
}
