import type { FastifyInstance } from 'fastify'
import type { Balancer } from '../src/balancer/balancer.js'
import { whenOver } from './exchange.js'

/** One line for each request, written when the exchange is over, however it ended. */
export function addAccessLog(scope: FastifyInstance, balancer: Balancer): void {
  scope.addHook('onRequest', (request, reply, done) => {
    whenOver(request.raw, reply.raw, () => {
      const { assignment } = request
      const lease = assignment?.lease
      const { raw } = reply
      const switched = assignment?.switched === true
      request.log.info(
        {
          method: request.method,
          path: request.originalUrl.split('?', 1)[0],
          statusCode: switched ? 101 : raw.headersSent ? raw.statusCode : null,
          aborted: !raw.writableFinished && !switched,
          backend: lease?.backend.id ?? null,
          policy: assignment?.policy ?? balancer.policy,
          inFlight: lease?.inFlight ?? null,
          attempts: assignment?.attempts ?? 0,
          responseTime: Math.round(reply.elapsedTime * 1000) / 1000,
        },
        'request',
      )
    })
    done()
  })
}
