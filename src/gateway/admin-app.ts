import Fastify, { type FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { type AdminOptions, adminRoutes } from '../../routes/admin.js'
import type { GatewayConfig } from '../config/file/gateway-config.js'
import type { Settings } from '../config/settings.js'
import { sendError } from '../proxy/downstream/errors/error-response.js'
import { notFound } from '../proxy/downstream/errors/errors.js'
import { appOptions } from './app-options.js'
import { type Address, addressOf, adminAddress, listenError } from './listeners.js'

/** The app behind the admin listener. @param config returns the configuration in force, whose token may become another */
export async function createAdminApp(
  config: () => GatewayConfig,
  settings: Settings,
  logger: Logger,
  options: Pick<AdminOptions, 'pools' | 'control' | 'metrics' | 'gatewayId'>,
): Promise<FastifyInstance> {
  const app = Fastify({ ...appOptions(settings, logger), forceCloseConnections: true })
  app.setErrorHandler(sendError)
  app.setNotFoundHandler(notFound)
  const token = () => {
    const { admin } = config()
    return admin === 'off' ? '' : admin.token
  }
  await app.register(adminRoutes, { ...options, token: token() === '' ? undefined : token })
  return app
}

/**
 * Opens the admin listener.
 * @param onError called with errors of the listener, which must not end the process, as for want of a file descriptor
 * @throws {ListenError}
 */
export async function openAdmin(
  app: FastifyInstance,
  config: Pick<GatewayConfig, 'file' | 'admin'>,
  onError: (error: Error) => void,
): Promise<void> {
  const address = adminAddress(config) as Address
  try {
    await app.listen({ host: addressOf(address.host), port: address.port })
  } catch (error) {
    throw listenError(error, address)
  }
  app.server.on('error', onError)
}
