import { setImmediate } from 'node:timers/promises'
import { workerData } from 'node:worker_threads'
import type { FastifyBaseLogger } from 'fastify'
import { pino } from 'pino'
import { openConnections } from '../../proxy/downstream/connection/open-connections.js'
import { exhaustionLog } from '../../telemetry/exhaustion-log.js'
import { Channel } from '../../threads/channel.js'
import { listen } from '../listeners.js'
import { prettyLog } from '../logging/pretty-log.js'
import { workerLogStream } from '../logging/worker-log-stream.js'
import { guardMemoryUsage } from '../memory-usage.js'
import { finishRequests } from '../shutdown.js'
import { createTrafficApp } from '../traffic-app.js'
import type { ToControl, ToWorker, WorkerStart } from './protocol.js'

/** Runs a worker: a thread that listens beside others on the traffic port, and proxies. Importing this file starts it. */
async function main({ worker, settings, pool, log, port }: WorkerStart): Promise<void> {
  const stdout = workerLogStream(log)
  const pretty = settings.logFormat === 'pretty' ? await prettyLog(stdout) : undefined
  const logger = pino({ level: settings.logLevel }, pretty ?? stdout)
  guardMemoryUsage()
  const traffic = await createTrafficApp(settings, logger, undefined, pool)
  const connections = openConnections(traffic.server)
  const channel = new Channel<ToWorker, ToControl>(
    port,
    {
      async listen(shared) {
        await listen(traffic, settings.host, shared, '', true)
        // Without a free file descriptor a connection cannot be accepted, and the error must not end the worker.
        traffic.server.on(
          'error',
          // A request's line is the same whichever worker had it; what a worker says of itself has its number.
          exhaustionLog(logger.child({ worker }) as FastifyBaseLogger, traffic.balancer.clock, 'default'),
        )
        return portOf(traffic.server.address())
      },
      async finish(timeout) {
        const cut = await finishRequests(traffic, connections, timeout)
        await traffic.close()
        // Sockets that were cut emit their events in this turn of the loop, and their requests are logged.
        await setImmediate()
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
  channel.tell('ready', undefined)
}

function portOf(address: string | { port: number } | null): number {
  return typeof address === 'object' && address ? address.port : 0
}

await main(workerData as WorkerStart)
