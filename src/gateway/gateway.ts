import { setImmediate } from 'node:timers/promises'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Balancer } from '../balancer/balancer.js'
import { systemClock } from '../balancer/time/clock.js'
import { environmentConfig } from '../config/file/environment-config.js'
import type { GatewayConfig } from '../config/file/gateway-config.js'
import type { Settings } from '../config/settings.js'
import { Pool } from '../pool/pool.js'
import { exhaustionLog } from '../telemetry/exhaustion-log.js'
import { countDroppedLines, pageRegistry } from '../telemetry/metrics/process.js'
import { createAdminApp, openAdmin } from './admin-app.js'
import { ControlServices } from './control-services.js'
import { probePorts } from './listeners.js'
import type { LogStream } from './logging/log-stream.js'
import { storeOf } from './pool-store.js'
import { GatewayPools } from './pools.js'
import { checkTlsFiles } from './tls-files.js'
import { Traffic } from './traffic/traffic.js'

/** The stand-alone gateway, with listeners for traffic and one for administration. */
export interface Gateway {
  /** The pools that the gateway balances over, by name. */
  balancers: ReadonlyMap<string, Balancer>
  /** Opens the listeners. @throws {ListenError} */
  listen(): Promise<void>
  /**
   * Brings another configuration into force, as a whole or not at all. Listeners, pools and routes that stay keep their
   * connections and counts, and requests under way finish as they began.
   * @throws if it cannot be brought into force; then nothing has changed
   */
  apply(config: GatewayConfig): Promise<void>
  /**
   * Ends the gateway: it accepts no new connections, readiness fails, and requests in flight finish.
   * @param timeout milliseconds after which the remaining requests are cut
   * @returns how many were cut
   */
  close(timeout: number): Promise<number>
}

/** A gateway whose main thread carries the traffic. */
export interface OneThreadGateway extends Gateway {
  /** The URLs where traffic enters. */
  readonly origins: readonly string[]
  /** The admin app; undefined where there is no admin API. */
  admin: FastifyInstance | undefined
}

/**
 * Makes the gateway that a configuration describes, with one thread. It does not listen yet.
 * @param log destination of the logger's lines, where it counts the lines that it drops
 * @throws {SettingError | StoreError | ListenError}
 */
export async function createGateway(
  settings: Settings,
  logger: Logger,
  log?: Pick<LogStream, 'dropped'>,
  config: GatewayConfig = environmentConfig(settings),
): Promise<OneThreadGateway> {
  const metrics = config.admin === 'off' ? undefined : pageRegistry()
  if (metrics && log) countDroppedLines(metrics, log.dropped)
  checkTlsFiles(settings)
  // The ports are tried first, so that a start that fails does not take the state file from a gateway that serves on
  // these ports.
  if (settings.stateFile !== '') await probePorts(config)
  const services = new ControlServices(logger as FastifyBaseLogger, metrics)
  const pools: GatewayPools = new GatewayPools(({ name, settings: own }) =>
    Pool.open({
      name,
      settings: own,
      log: logger as FastifyBaseLogger,
      registries: metrics ? [metrics] : [],
      accessLog: settings.logLevel !== 'silent',
      store: storeOf(settings, config, name),
      workers: 0,
      shared: undefined,
      closeIdleClients: () => traffic.listeners.closeIdle(),
    }),
  )
  const logExhaustion = exhaustionLog(logger as FastifyBaseLogger, systemClock, 'default')
  const traffic = await Traffic.open(config, {
    settings,
    logger,
    pools,
    services,
    reusePort: false,
    onListenerError: logExhaustion,
  })
  services.follow(config)
  const { balancers } = pools
  const admin = metrics && (await createAdminApp(config, settings, logger, balancers, metrics))

  return {
    balancers,
    admin,

    get origins() {
      return traffic.listeners.origins
    },

    async listen() {
      // The admin listener opens first, so that the gateway's state can be asked for by the time traffic is accepted.
      if (admin) await openAdmin(admin, config, logExhaustion)
      await traffic.listen(config)
      logReady(logger, balancers, traffic.listeners.origins, admin)
    },

    async apply(next) {
      const prepared = await traffic.prepare(next)
      prepared.commit()
      services.follow(next)
    },

    async close(timeout) {
      const cut = await traffic.finish(timeout)
      await traffic.close()
      services.close()
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
  balancers: ReadonlyMap<string, Balancer>,
  origins: readonly string[],
  admin: FastifyInstance | undefined,
  workers?: number,
): void {
  const [first] = balancers.values()
  let backends = 0
  for (const { registry } of balancers.values()) backends += registry.size
  const isOnePool = balancers.size === 1
  logger.info(
    {
      traffic: origins.length === 1 ? origins[0] : origins,
      admin: admin?.listeningOrigin ?? null,
      ...(!isOnePool && { pools: balancers.size }),
      backends,
      ...(isOnePool && { policy: first?.policy }),
      ...(workers !== undefined && { workers }),
    },
    'gateway ready',
  )
  if (backends === 0) logger.warn(admin ? NO_BACKENDS : NO_BACKENDS_EVER)
}

const NO_BACKENDS =
  'there is no backend: BACKENDS is empty, and requests are answered 503 until one is registered over the admin API'
const NO_BACKENDS_EVER =
  'there is no backend, and no admin API to register one: BACKENDS is empty, and requests are answered 503'
