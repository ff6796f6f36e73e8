import type { FastifyBaseLogger } from 'fastify'
import type { Logger } from 'pino'
import { systemClock } from '../../balancer/time/clock.js'
import type { GatewayConfig } from '../../config/file/gateway-config.js'
import type { Settings } from '../../config/settings.js'
import { exhaustionLog } from '../../telemetry/exhaustion-log.js'
import { openAdmin } from '../admin-app.js'
import { type Gateway, logReady } from '../gateway.js'
import { originOf, probeAddedPorts } from '../listeners.js'
import type { LogStream } from '../logging/log-stream.js'
import type { WorkerLogs } from '../logging/worker-logs.js'
import { MainThread } from '../main-thread.js'
import { GatewayPools } from '../pools.js'
import { type ConfigSource, environmentSource } from '../reload/config-source.js'
import type { RestartDelays } from './restart-delays.js'
import { TrafficWorkers } from './traffic-workers.js'

/** A gateway whose traffic worker threads carry. */
export interface ControlPlane extends Gateway {
  workers: TrafficWorkers
}

/** What a gateway with several threads takes besides its settings. */
export interface ControlPlaneOptions {
  /** Number of worker threads. */
  count: number
  logger: Logger
  /** Has the lines of the workers written. */
  workerLogs: WorkerLogs
  /** Destination of the logger's lines, where it counts the lines that it drops. */
  log?: Pick<LogStream, 'dropped'> | undefined
  source?: ConfigSource | undefined
  /** Says how long to wait before a worker is started again. */
  delays?: Pick<RestartDelays, 'next'> | undefined
  /** What a worker runs. */
  file?: URL | undefined
}

/**
 * Makes a gateway with several threads. This thread controls it: it has the registries, the health checks, the state and
 * the admin API, and the worker threads carry the traffic.
 * @throws {SettingError | StoreError | ListenError}
 */
export async function createControlPlane(
  settings: Settings,
  { count, logger, workerLogs, log, delays, file, source = environmentSource(settings) }: ControlPlaneOptions,
): Promise<ControlPlane> {
  const { config } = source
  const thread = await MainThread.open({
    settings,
    logger,
    source,
    log,
    apply: (next) => apply(next),
    onKeys: (url, keySet) => workers.keysChanged({ url, keySet }),
  })
  const { reloads, services } = thread
  const pools = new GatewayPools(async (config) => {
    const pool = await thread.openPool(config, { accessLog: false, workers: count, closeIdleClients() {} })
    pool.balancer.workers?.on('silent', (member) => workers.replace(member))
    return pool
  })
  const workers = new TrafficWorkers(config, {
    count,
    settings,
    logger,
    logs: workerLogs,
    pools,
    services,
    delays,
    file,
  })
  const prepared = await pools.prepare(config.pools)
  prepared.commit()
  services.follow(config)
  const { balancers } = pools
  const apply = async (next: GatewayConfig) => {
    // Another process that shares a port would get a part of the connections.
    await probeAddedPorts(reloads.config, next)
    const ofPools = await pools.prepare(next.pools)
    const nextBalancers = new Map(Array.from(ofPools.pools, ([name, { balancer }]) => [name, balancer]))
    const undo = [ofPools.rollback]
    let ofWorkers: Awaited<ReturnType<TrafficWorkers['prepare']>>
    try {
      ofWorkers = await workers.prepare(next, nextBalancers)
      undo.unshift(ofWorkers.rollback)
      // A worker that is started from now on begins with the new pools.
      ofPools.commit()
    } catch (error) {
      for (const back of undo) await back()
      throw error
    }
    services.follow(next)
    await ofWorkers.commit()
  }
  const admin = await thread.adminApp(pools)

  return {
    balancers,
    reloads,
    workers,

    async listen() {
      // The admin listener opens first, so that the gateway's state can be asked for by the time traffic is accepted.
      if (admin) {
        const onError = exhaustionLog(logger as FastifyBaseLogger, systemClock, 'default')
        await openAdmin(admin, config, onError)
      }
      await workers.start()
      const origins = config.listen.map(({ host }, i) => originOf(host, workers.ports[i] as number))
      logReady(logger, { balancers, origins, admin, isFromFile: reloads.hasFile, workers: count })
      await reloads.start()
    },

    async close(timeout) {
      await reloads.close()
      for (const balancer of pools.all()) balancer.startClosing()
      const cut = await workers.finish(timeout)
      await pools.close()
      await thread.close()
      // The admin app closes last, so that readiness is answered with 503 during the whole shutdown.
      await admin?.close()
      return cut
    },
  }
}
