import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { NotReadyError } from '../plugins/errors.js'

/** What an orchestrator probes. */
export const statusRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const response = { 200: Type.Object({ status: Type.String() }) }
  const config = { public: true }

  app.get('/livez', { config, schema: { response } }, async () => ({ status: 'live' }))

  app.get('/readyz', { config, schema: { response } }, async () => {
    if (app.balancer.closing) throw new NotReadyError('shutting down')
    if (app.balancer.registry.eligible.length === 0) throw new NotReadyError('no usable backend')
    return { status: 'ready' }
  })
}
