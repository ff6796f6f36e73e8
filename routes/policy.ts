import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { changePool } from '../src/admin/change.js'
import { jsonResponse } from '../src/admin/contract/responses.js'
import { Policy } from '../src/admin/contract/schemas.js'

/** Adds the routes that read and change the policy of a pool. */
export const policyRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const Body = Type.Object(
    { policy: Policy },
    { additionalProperties: false, examples: [{ policy: 'least-response-time' }] },
  )

  app.get(
    '/policy',
    {
      config: { operationId: 'getPolicy' },
      schema: {
        tags: ['Policy'],
        summary: 'Read the policy',
        description: 'How a backend is chosen for a request.',
        response: { 200: jsonResponse(Body, 'The policy in force.', { policy: 'least-connections' }) },
      },
    },
    async (request) => ({ policy: app.poolOf(request).policy }),
  )

  app.put(
    '/policy',
    {
      config: { operationId: 'setPolicy', errors: ['LEASTWISE_STATE_NOT_SAVED'] },
      schema: {
        tags: ['Policy'],
        summary: 'Switch the policy',
        description: 'From the next request on. No request and no count is lost.',
        body: Body,
        response: { 200: jsonResponse(Body, 'The policy in force from now on.') },
      },
    },
    async (request) => {
      const pool = app.poolOf(request)
      const { policy } = request.body
      return changePool(pool, { kind: 'policy', policy }, { answer: () => ({ policy: pool.policy }) })
    },
  )
}
