import { Readable } from 'node:stream'
import type { FastifyPluginAsync } from 'fastify'
import type { Registry } from 'prom-client'
import { page } from '../plugins/metrics/page.js'

/** What Prometheus asks for. */
export const metricsRoutes: FastifyPluginAsync<{ metrics: Registry }> = async (app, { metrics }) => {
  app.get('/metrics', async (_request, reply) => {
    reply.type(metrics.contentType)
    return reply.send(Readable.from(page(metrics)))
  })
}
