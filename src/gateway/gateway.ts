import { setImmediate } from 'node:timers/promises'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import type { Balancer } from '../balancer/balancer.js'
import { systemClock } from '../balancer/time/clock.js'
import type { GatewayConfig } from '../config/file/gateway-config.js'
import type { Settings } from '../config/settings.js'
import { exhaustionLog } from '../telemetry/exhaustion-log.js'
import { openAdmin } from './admin-app.js'
import type { LogStream } from './logging/log-stream.js'
import { MainThread } from './main-thread.js'
import { GatewayPools } from './pools.js'
import { type ConfigSource, environmentSource } from './reload/config-source.js'
import type { Reloads } from './reload/reloads.js'
import { Traffic } from './traffic/traffic.js'

/** The stand-alone gateway, with listeners for traffic and one for administration. */
export interface Gateway {
  /** The pools that the gateway balances over, by name. */
  balancers: ReadonlyMap<string, Balancer>
  /** Opens the listeners. @throws {ListenError} */
  listen(): Promise<void>
  /**
   * Loads the file of the gateway again, as a whole or not at all. Listeners, pools and routes that stay keep their
   * connections and counts, and requests under way finish as they began.
   */
  reloads: Reloads
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
  source: ConfigSource = environmentSource(settings),
): Promise<OneThreadGateway> {
  const { config } = source
  const thread = await MainThread.open({ settings, logger, source, log, apply: (next) => apply(next) })
  const { reloads, services } = thread
  const pools: GatewayPools = new GatewayPools((pool) =>
    thread.openPool(pool, {
      accessLog: settings.logLevel !== 'silent',
      workers: 0,
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
  const apply = async (next: GatewayConfig) => {
    const prepared = await traffic.prepare(next)
    try {
      prepared.commit()
    } catch (error) {
      await prepared.rollback()
      throw error
    }
    services.follow(next)
  }
  const admin = await thread.adminApp(pools)

  return {
    balancers,
    reloads,
    admin,

    get origins() {
      return traffic.listeners.origins
    },

    async listen() {
      // The admin listener opens first, so that the gateway's state can be asked for by the time traffic is accepted.
      if (admin) await openAdmin(admin, config, logExhaustion)
      await traffic.listen(config)
      logReady(logger, { balancers, origins: traffic.listeners.origins, admin, isFromFile: reloads.hasFile })
      await reloads.start()
    },

    async close(timeout) {
      await reloads.close()
      const cut = await traffic.finish(timeout)
      await traffic.close()
      await thread.close()
      // Sockets that were cut emit their events in this turn of the loop, and their requests are logged.
      await setImmediate()
      // The admin app closes last, so that readiness is answered with 503 during the whole shutdown.
      await admin?.close()
      return cut
    },
  }
}

interface Ready {
  balancers: ReadonlyMap<string, Balancer>
  /** The URLs where traffic enters. */
  origins: readonly string[]
  admin: FastifyInstance | undefined
  isFromFile: boolean
  /** Number of threads that carry traffic, where it is more than one. */
  workers?: number
}

/** Logs that the gateway listens. */
export function logReady(logger: Logger, { balancers, origins, admin, isFromFile, workers }: Ready): void {
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
  if (backends > 0) return
  const why = isFromFile ? 'no pool of the file has one' : 'BACKENDS is empty'
  const text = admin ? NO_BACKENDS : NO_BACKENDS_EVER
  logger.warn(text.replace('WHY', why))
}

const NO_BACKENDS =
  'there is no backend: WHY, and requests are answered 503 until one is registered over the admin API'
const NO_BACKENDS_EVER =
  'there is no backend, and no admin API to register one: WHY, and requests are answered 503'
