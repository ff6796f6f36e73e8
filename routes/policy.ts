import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Policy } from './schemas.js'

/** Read and switch the policy. */
export const policyRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const Body = Type.Object({ policy: Policy }, { additionalProperties: false })
  const { balancer } = app

  app.get('/policy', { schema: { response: { 200: Body } } }, async () => ({ policy: balancer.policy }))

  app.put('/policy', { schema: { body: Body, response: { 200: Body } } }, async (request) => {
    balancer.policy = request.body.policy
    return { policy: balancer.policy }
  })
}
