import { Readable } from 'node:stream'
import type { FastifyPluginAsync } from 'fastify'
import type { Registry } from 'prom-client'
import { textResponse } from '../src/admin/contract/responses.js'
import { exposition } from '../src/telemetry/metrics/exposition.js'

const example = `# HELP leastwise_backend_in_flight Requests that a backend works on
# TYPE leastwise_backend_in_flight gauge
leastwise_backend_in_flight{pool="default",backend="c"} 3
`

/** Adds the route from which Prometheus reads the metrics. */
export const metricsRoutes: FastifyPluginAsync<{ metrics: Registry }> = async (app, { metrics }) => {
  app.get(
    '/metrics',
    {
      config: { operationId: 'getMetrics' },
      schema: {
        tags: ['Monitoring'],
        summary: 'Metrics for Prometheus',
        description:
          'Counts since the start, times as histograms, and how the pool, its backends and the process are now. A backend that was removed leaves no line behind.',
        response: { 200: textResponse('text/plain', "Prometheus' text format, version 0.0.4.", example) },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(Readable.from(exposition(metrics))),
  )
}
