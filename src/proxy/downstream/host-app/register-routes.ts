import type { FastifyError, FastifyInstance, FastifyPluginAsync } from 'fastify'
import { RoutesTakenError } from './own-routes.js'

/**
 * Registers routes below a prefix in the host's app.
 * @param refuse makes the error to throw where the app or another pool already has these routes
 */
export async function registerRoutes<O extends object>(
  app: FastifyInstance,
  routes: FastifyPluginAsync<O>,
  options: O & { prefix: string },
  refuse: (why: string) => Error,
): Promise<void> {
  try {
    await app.register(routes, options)
  } catch (error) {
    const { code, message } = error as FastifyError
    if (error instanceof RoutesTakenError || code === 'FST_ERR_DUPLICATED_ROUTE') throw refuse(message)
    throw error
  }
}
