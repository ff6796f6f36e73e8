import { setImmediate } from 'node:timers/promises'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Balancer } from '../balancer/balancer.js'
import type { Settings } from '../config/settings.js'
import { openConnections } from '../proxy/downstream/connection/open-connections.js'
import { exhaustionLog } from '../telemetry/exhaustion-log.js'
import { countDroppedLines, pageRegistry } from '../telemetry/metrics/process.js'
import { createAdminApp } from './admin-app.js'
import { listen, probePorts } from './listeners.js'
import type { LogStream } from './logging/log-stream.js'
import { finishRequests } from './shutdown.js'
import { checkTlsFiles } from './tls-files.js'
import { createTrafficApp } from './traffic-app.js'

/** The stand-alone gateway, with one listener for traffic and one for administration. */
export interface Gateway {
  /** The pool that the gateway balances over. */
  balancer: Balancer
  /** Opens the listeners. @throws {ListenError} */
  listen(): Promise<void>
  /**
   * Ends the gateway: it accepts no new connections, readiness fails, and requests in flight finish.
   * @param timeout milliseconds after which the remaining requests are cut
   * @returns how many were cut
   */
  close(timeout: number): Promise<number>
}

/** A gateway whose main thread carries the traffic. */
export interface OneThreadGateway extends Gateway {
  traffic: FastifyInstance
  /** The admin app; undefined where ADMIN_PORT is off. */
  admin: FastifyInstance | undefined
}

/**
 * Makes the gateway that the settings describe, with one thread. It does not listen yet.
 * @param log destination of the logger's lines, where it counts the lines that it drops
 * @throws {SettingError | StoreError | ListenError}
 */
export async function createGateway(
  settings: Settings,
  logger: Logger,
  log?: Pick<LogStream, 'dropped'>,
): Promise<OneThreadGateway> {
  const metrics = settings.adminPort === 'off' ? undefined : pageRegistry()
  if (metrics && log) countDroppedLines(metrics, log.dropped)
  checkTlsFiles(settings)
  // The ports are tried first, so that a start that fails does not take the state file from a gateway that serves on
  // these ports.
  if (settings.stateFile !== '') await probePorts(settings)
  const traffic = await createTrafficApp(settings, logger, metrics)
  const { balancer } = traffic
  const admin = metrics && (await createAdminApp(settings, logger, balancer, metrics))
  const connections = openConnections(traffic.server)

  return {
    balancer,
    traffic,
    admin,

    async listen() {
      // The admin listener opens first, so that the gateway's state can be asked for by the time traffic is accepted.
      if (admin) await listen(admin, settings.adminHost, settings.adminPort as number, 'ADMIN_')
      await listen(traffic, settings.host, settings.port, '')
      // Without a free file descriptor a connection cannot be accepted, and the error must not end the process.
      const logExhaustion = exhaustionLog(logger as FastifyBaseLogger, balancer.clock, 'default')
      for (const app of [traffic, admin]) app?.server.on('error', logExhaustion)
      logReady(logger, balancer, traffic.listeningOrigin, admin)
    },

    async close(timeout) {
      const cut = await finishRequests(traffic, connections, timeout)
      await traffic.close()
      // Sockets that were cut emit their events in this turn of the loop, and their requests are logged.
      await setImmediate()
      // The admin app closes last, so that readiness is answered with 503 during the whole shutdown.
      await admin?.close()
      return cut
    },
  }
}

/** Logs that the gateway listens. @param workers number of threads that carry traffic, where it is more than one */
export function logReady(
  logger: Logger,
  { registry, policy }: Balancer,
  traffic: string,
  admin: FastifyInstance | undefined,
  workers?: number,
): void {
  logger.info(
    {
      traffic,
      admin: admin?.listeningOrigin ?? null,
      backends: registry.size,
      policy,
      ...(workers !== undefined && { workers }),
    },
    'gateway ready',
  )
  if (registry.size === 0) logger.warn(admin ? NO_BACKENDS : NO_BACKENDS_EVER)
}

const NO_BACKENDS =
  'there is no backend: BACKENDS is empty, and requests are answered 503 until one is registered over the admin API'
const NO_BACKENDS_EVER =
  'there is no backend, and no admin API to register one: BACKENDS is empty, and requests are answered 503'
