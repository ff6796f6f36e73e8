import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import type { Logger } from 'pino'
import { NotFoundError, sendError } from '../plugins/errors.js'
import { refuseMalformed } from '../plugins/malformed.js'
import { adminRoutes } from '../routes/admin.js'
import leastwise from './index.js'
import { type PoolSettings, type Settings, settingNames, settings as table } from './settings.js'

/** The stand-alone gateway: traffic and administration on a listener each. */
export interface Standalone {
  traffic: FastifyInstance
  /** Undefined where ADMIN_PORT is off. */
  admin: FastifyInstance | undefined
  /** Opens the listeners. @throws {ListenError} */
  listen(): Promise<void>
  /**
   * Ends the gateway: no new connections, readiness fails, requests in flight finish.
   * @param timeout milliseconds after which the requests that are left are cut
   * @returns how many were cut
   */
  close(timeout: number): Promise<number>
}

/** A listener could not be opened; the message is one line that names the variable. */
export class ListenError extends Error {}

export async function createStandalone(settings: Settings, logger: Logger): Promise<Standalone> {
  const common = {
    ...(settings.logLevel !== 'silent' && { loggerInstance: logger as FastifyBaseLogger }),
    logController: new LogController({ disableRequestLogging: true }),
    clientErrorHandler: refuseMalformed,
    frameworkErrors: sendError,
  }
  const traffic = Fastify({
    ...common,
    keepAliveTimeout: settings.keepAliveTimeout,
    // Uploads take as long as they take. (Node's own default would end them after 300 seconds.)
    requestTimeout: 0,
    http: {
      headersTimeout: settings.headersTimeout,
      connectionsCheckingInterval: Math.min(1000, Math.ceil(settings.headersTimeout / 4)),
    },
    // Requests that still come on open connections are served, and told that the connection closes.
    return503OnClosing: false,
    exposeHeadRoutes: false,
  })
  await traffic.register(leastwise, {
    ...poolSettings(settings),
    accessLog: settings.logLevel !== 'silent',
  })
  // Everything is proxied but for methods that never are.
  traffic.setErrorHandler(sendError)
  traffic.setNotFoundHandler(async (request) => {
    throw new NotFoundError(request.method, request.url.split('?', 1)[0])
  })
  await traffic.ready()

  let admin: FastifyInstance | undefined
  if (settings.adminPort !== 'off') {
    admin = Fastify({ ...common, forceCloseConnections: true })
    await admin.register(adminRoutes, {
      balancer: traffic.balancer,
      token: settings.adminToken || undefined,
    })
  }

  return {
    traffic,
    admin,

    async listen() {
      // Administration first: by the time traffic is accepted the gateway can be asked how it is.
      if (admin) await listen(admin, settings.adminHost, settings.adminPort as number, 'ADMIN_PORT')
      await listen(traffic, settings.host, settings.port, 'PORT')
      const { registry, policy } = traffic.balancer
      logger.info(
        {
          traffic: traffic.listeningOrigin,
          admin: admin?.listeningOrigin ?? null,
          backends: registry.size,
          policy,
        },
        'gateway ready',
      )
    },

    async close(timeout) {
      const { registry } = traffic.balancer
      let cut = 0
      traffic.balancer.startClosing()
      const deadline = setTimeout(() => {
        cut = registry.inFlight
        traffic.server.closeAllConnections()
        for (const backend of registry.list()) backend.leases.cutAll(new Error('the gateway shut down'))
      }, timeout)
      await traffic.close()
      clearTimeout(deadline)
      // Readiness is answered, with 503, until there is nothing left to be ready for.
      await admin?.close()
      return cut
    },
  }
}

/** What the plugin is given; it would warn of settings that have no effect, as `server.ts` does where they are set. */
function poolSettings(settings: Settings): Partial<PoolSettings> {
  const entries = settingNames
    .filter((name) => table[name].scope === 'pool' && !('pending' in table[name]))
    .map((name) => [name, settings[name]])
  return Object.fromEntries(entries)
}

async function listen(app: FastifyInstance, host: string, port: number, variable: string): Promise<void> {
  try {
    await app.listen({ host, port })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why: Record<string, string> = {
      EADDRINUSE: 'the address is in use',
      EACCES: 'permission denied',
      EADDRNOTAVAIL: 'this machine has no such address',
      ENOTFOUND: 'the name has no address',
    }
    throw new ListenError(`${variable} cannot listen on ${host}:${port}: ${why[code ?? ''] ?? message}`)
  }
}
