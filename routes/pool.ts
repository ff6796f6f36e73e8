import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { Policy } from './schemas.js'

/** How the pool is as a whole. */
export const poolRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const Pool = Type.Object({
    policy: Policy,
    backends: Type.Integer(),
    eligible: Type.Integer(),
    panic: Type.Boolean(),
    inFlight: Type.Integer(),
    queue: Type.Object({ length: Type.Integer(), limit: Type.Integer() }),
    requests: Type.Integer(),
    retries: Type.Integer(),
    hedges: Type.Integer(),
    closing: Type.Boolean(),
  })

  app.get('/pool', { schema: { response: { 200: Pool } } }, async () => app.balancer.view())
}
