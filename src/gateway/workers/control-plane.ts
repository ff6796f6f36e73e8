import Fastify, { type FastifyBaseLogger } from 'fastify'
import type { Logger } from 'pino'
import type { PoolWorkers } from '../../balancer/threads/pool-workers.js'
import type { Settings } from '../../config/settings.js'
import leastwise from '../../index.js'
import { exhaustionLog } from '../../telemetry/exhaustion-log.js'
import { countDroppedLines, pageRegistry } from '../../telemetry/metrics/process.js'
import { createAdminApp } from '../admin-app.js'
import { appOptions } from '../app-options.js'
import { type Gateway, logReady } from '../gateway.js'
import { listen, probePorts } from '../listeners.js'
import type { LogStream } from '../logging/log-stream.js'
import type { WorkerLogs } from '../logging/worker-logs.js'
import { checkTlsFiles } from '../tls-files.js'
import { poolSettings, storeOf } from '../traffic-app.js'
import type { RestartDelays } from './restart-delays.js'
import { TrafficWorkers } from './traffic-workers.js'

/** A gateway whose traffic worker threads carry. */
export interface ControlPlane extends Gateway {
  workers: TrafficWorkers
}

/**
 * Makes a gateway with several threads. This thread controls it: it has the registry, the health checks, the state and
 * the admin API, and the worker threads carry the traffic.
 * @param count number of worker threads
 * @param workerLogs has the lines of the workers written
 * @param log destination of the logger's lines, where it counts the lines that it drops
 * @param delays says how long to wait before a worker is started again
 * @param file what a worker runs
 * @throws {SettingError | StoreError | ListenError}
 */
export async function createControlPlane(
  settings: Settings,
  count: number,
  logger: Logger,
  workerLogs: WorkerLogs,
  log?: Pick<LogStream, 'dropped'>,
  delays?: Pick<RestartDelays, 'next'>,
  file?: URL,
): Promise<ControlPlane> {
  const metrics = settings.adminPort === 'off' ? undefined : pageRegistry()
  if (metrics && log) countDroppedLines(metrics, log.dropped)
  checkTlsFiles(settings)
  // A start that fails must not take the state file from a gateway that serves on these ports.
  if (settings.stateFile !== '') await probePorts(settings)
  // This app has no listener: it is there for the pool, which begins and ends with it.
  const app = Fastify(appOptions(settings, logger))
  await app.register(leastwise, {
    ...poolSettings(settings),
    metrics,
    workers: count,
    store: storeOf(settings),
  })
  await app.ready()
  const { balancer } = app
  const admin = metrics && (await createAdminApp(settings, logger, balancer, metrics))
  const workers = new TrafficWorkers(
    settings,
    logger,
    workerLogs,
    balancer.workers as PoolWorkers,
    delays,
    file,
  )

  return {
    balancer,
    workers,

    async listen() {
      // The admin listener opens first, so that the gateway's state can be asked for by the time traffic is accepted.
      if (admin) await listen(admin, settings.adminHost, settings.adminPort as number, 'ADMIN_')
      // Without a free file descriptor a connection cannot be accepted, and the error must not end the process.
      admin?.server.on('error', exhaustionLog(logger as FastifyBaseLogger, balancer.clock, 'default'))
      await workers.start()
      logReady(logger, balancer, originOf(settings.host, workers.port), admin, count)
    },

    async close(timeout) {
      balancer.startClosing()
      const cut = await workers.finish(timeout)
      await app.close()
      // The admin app closes last, so that readiness is answered with 503 during the whole shutdown.
      await admin?.close()
      return cut
    },
  }
}

function originOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
