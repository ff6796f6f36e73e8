import Fastify, { type FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import { adminRoutes } from '../../routes/admin.js'
import type { Balancer } from '../balancer/balancer.js'
import type { Settings } from '../config/settings.js'
import { sendError } from '../proxy/downstream/errors/error-response.js'
import { notFound } from '../proxy/downstream/errors/errors.js'
import { appOptions } from './app-options.js'

/** The app behind the admin listener. */
export async function createAdminApp(
  settings: Settings,
  logger: Logger,
  balancer: Balancer,
  metrics: Registry,
): Promise<FastifyInstance> {
  const app = Fastify({ ...appOptions(settings, logger), forceCloseConnections: true })
  app.setErrorHandler(sendError)
  app.setNotFoundHandler(notFound)
  await app.register(adminRoutes, {
    pools: new Map([['default', balancer]]),
    token: settings.adminToken || undefined,
    metrics,
  })
  return app
}
