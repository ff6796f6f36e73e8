import { setImmediate } from 'node:timers/promises'
import { workerData } from 'node:worker_threads'
import type { FastifyBaseLogger } from 'fastify'
import { pino } from 'pino'
import { systemClock } from '../../balancer/time/clock.js'
import { Pool } from '../../pool/pool.js'
import { exhaustionLog } from '../../telemetry/exhaustion-log.js'
import { Channel } from '../../threads/channel.js'
import { prettyLog } from '../logging/pretty-log.js'
import { workerLogStream } from '../logging/worker-log-stream.js'
import { guardMemoryUsage } from '../memory-usage.js'
import { GatewayPools } from '../pools.js'
import { type PreparedTraffic, Traffic } from '../traffic/traffic.js'
import type { ToControl, ToWorker, WorkerStart } from './protocol.js'
import { WorkerServices } from './worker-services.js'

/** Runs a worker: a thread that listens beside others on the traffic ports, and proxies. Importing this file starts it. */
async function main({ worker, settings, log, port, ...start }: WorkerStart): Promise<void> {
  const stdout = workerLogStream(log)
  const pretty = settings.logFormat === 'pretty' ? await prettyLog(stdout) : undefined
  const logger = pino({ level: settings.logLevel }, pretty ?? stdout)
  guardMemoryUsage()
  let { config } = start
  const handles = new Map(Object.entries(start.pools))
  const pools: GatewayPools = new GatewayPools(({ name, settings: own }) => {
    const shared = handles.get(name)
    handles.delete(name)
    return Pool.open({
      name,
      settings: own,
      log: logger as FastifyBaseLogger,
      registries: [],
      accessLog: settings.logLevel !== 'silent',
      store: undefined,
      workers: 0,
      shared,
      closeIdleClients: () => traffic.listeners.closeIdle(),
    })
  })
  const services = new WorkerServices(() => channel, logger.child({ worker }) as FastifyBaseLogger)
  const traffic = await Traffic.open(config, {
    settings,
    logger,
    pools,
    services,
    reusePort: true,
    // A request's line is the same whichever worker had it; what a worker says of itself has its number.
    onListenerError: exhaustionLog(logger.child({ worker }) as FastifyBaseLogger, systemClock, 'default'),
  })
  let prepared: { traffic: PreparedTraffic; config: typeof config } | undefined
  /** Settles once the configuration that the worker was told last is ready, or cannot be made ready. */
  let preparation: Promise<unknown> | undefined
  const channel: Channel<ToWorker, ToControl> = new Channel<ToWorker, ToControl>(
    port,
    {
      async listen(ports) {
        await traffic.listen(config, ports)
        return traffic.listeners.ports
      },
      async prepare(next) {
        for (const [name, handle] of Object.entries(next.pools)) handles.set(name, handle)
        const made = traffic.prepare(next.config, next.ports)
        preparation = made.catch(() => {})
        prepared = { traffic: await made, config: next.config }
        return prepared.traffic.ports
      },
      async commit() {
        if (!prepared) return
        prepared.traffic.commit()
        config = prepared.config
        services.follow(config)
        prepared = undefined
        // The next configuration may have one of these addresses again.
        await traffic.listeners.left()
      },
      async rollback() {
        // Another worker may have failed before this one was ready.
        await preparation
        const given = prepared
        prepared = undefined
        await given?.traffic.rollback()
      },
      keysChanged: (change) => services.keySets.apply(change),
      async finish(timeout) {
        const cut = await traffic.finish(timeout)
        await traffic.close()
        // Sockets that were cut emit their events in this turn of the loop, and their requests are logged.
        await setImmediate()
        services.follow(config)
        services.close()
        return cut
      },
    },
    {
      keepsAlive: true,
      onError: (error) => {
        throw error
      },
    },
  )
  services.follow(config)
  channel.tell('ready', undefined)
}

await main(workerData as WorkerStart)
