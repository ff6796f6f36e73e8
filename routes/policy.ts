import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { changePool } from '../src/admin/change.js'
import { etag, IfMatch } from '../src/admin/contract/entity-tag.js'
import { jsonResponse } from '../src/admin/contract/responses.js'
import { Policy } from '../src/admin/contract/schemas.js'
import { policyTag } from '../src/admin/entity-tags.js'

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
        response: {
          200: jsonResponse(Body, 'The policy in force.', { policy: 'least-connections' }, etag),
        },
      },
    },
    async (request, reply) => {
      const { policy } = app.poolOf(request)
      reply.header('etag', policyTag(policy))
      return { policy }
    },
  )

  app.put(
    '/policy',
    {
      config: {
        operationId: 'setPolicy',
        errors: ['LEASTWISE_PRECONDITION_FAILED', 'LEASTWISE_STATE_NOT_SAVED'],
      },
      schema: {
        tags: ['Policy'],
        summary: 'Switch the policy',
        description: 'From the next request on. No request and no count is lost.',
        headers: IfMatch,
        body: Body,
        response: { 200: jsonResponse(Body, 'The policy in force from now on.', undefined, etag) },
      },
    },
    async (request, reply) => {
      const pool = app.poolOf(request)
      const { policy } = request.body
      const change = { kind: 'policy', policy } as const
      return changePool(pool, change, request.headers['if-match'], () => {
        reply.header('etag', policyTag(pool.policy))
        return { policy: pool.policy }
      })
    },
  )
}
