import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import { jsonResponse } from '../src/admin/contract/responses.js'
import { NotReadyError } from '../src/admin/errors.js'

/** Adds the routes that an orchestrator probes: they report whether the gateway is alive and whether it is ready. */
export const statusRoutes: FastifyPluginAsyncTypebox = async (app) => {
  const status = (value: string) =>
    Type.Object(
      { status: Type.String({ description: `Always \`${value}\`.` }) },
      { examples: [{ status: value }] },
    )

  app.get(
    '/livez',
    {
      config: { operationId: 'getLiveness', public: true },
      schema: {
        tags: ['Monitoring'],
        summary: 'Whether the process answers',
        description:
          'For a liveness probe: 200 while the process responds, also without a usable backend, and on shutdown.',
        response: { 200: jsonResponse(status('live'), 'It does.') },
      },
    },
    async () => ({ status: 'live' }),
  )

  app.get(
    '/readyz',
    {
      config: { operationId: 'getReadiness', public: true, errors: ['LEASTWISE_NOT_READY'] },
      schema: {
        tags: ['Monitoring'],
        summary: 'Whether requests can be served',
        description:
          'For a readiness probe: 503 with the reason where no backend is usable, where no worker thread carries traffic although others should, and from the start of a shutdown.',
        response: { 200: jsonResponse(status('ready'), 'They can.') },
      },
    },
    async (request) => {
      const pool = app.poolOf(request)
      if (pool.closing) throw new NotReadyError('shutting down')
      if (pool.workers && !pool.workers.list.some(({ takesPart }) => takesPart))
        throw new NotReadyError('no worker carries traffic')
      if (!pool.registry.serves) throw new NotReadyError('no usable backend')
      return { status: 'ready' }
    },
  )
}
