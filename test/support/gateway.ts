import { type Logger, pino } from 'pino'
import type { Backend } from '../../src/balancer/backends/backend.js'
import type { Balancer } from '../../src/balancer/balancer.js'
import type { PoolWorkers } from '../../src/balancer/threads/pool-workers.js'
import { parseConfig } from '../../src/config/environment.js'
import type { Settings } from '../../src/config/settings.js'
import { createGateway } from '../../src/gateway/gateway.js'
import { WorkerLogs } from '../../src/gateway/logging/worker-logs.js'
import { createControlPlane } from '../../src/gateway/workers/control-plane.js'
import { testWorkers } from './shared-port.js'

/** A stand-alone gateway in this process, so that its counts can be read at any moment. */
export interface Gateway {
  url: string
  balancer: Balancer
  /** What it logged at `error` and above. */
  complaints: string[]
  /** Resolves once no request is in flight. */
  settled(): Promise<void>
  backend(index?: number): Backend
  /** @param timeout milliseconds after which the remaining requests are cut */
  close(timeout?: number): Promise<unknown>
}

/** Whatever fails stays where it is. */
export const noPassiveHealth = { EJECT_MAX_PERCENT: '0', FAILURE_DECAY: '0' }

/** Where the gateway has several threads. */
interface WorkersOptions {
  /** How long to wait before a worker is started again. */
  delays?: { next(worker: number): number }
  /** What a worker runs. */
  file?: URL
}

export async function openGateway(
  backends: (string | { url: string })[],
  env: Record<string, string> = {},
  workers: WorkersOptions = {},
): Promise<Gateway> {
  const urls = backends.map((backend) => (typeof backend === 'string' ? backend : backend.url))
  const complaints: string[] = []
  const logger = pino({ level: 'error' }, { write: (line: string) => complaints.push(line) })
  // A machine that is busy with other tests is to make it neither shed requests nor give up connecting.
  const patient = { MAX_EVENT_LOOP_DELAY: '0', CONNECT_TIMEOUT: '30000' }
  const settings = parseConfig({
    PORT: '0',
    ADMIN_PORT: 'off',
    BACKENDS: urls.join(),
    WORKERS: testWorkers,
    LOG_LEVEL: 'error',
    ...patient,
    ...env,
  })
  const gateway =
    settings.workers === 1
      ? await oneThread(settings, logger)
      : await threads(settings, logger, workers, (line) => complaints.push(line))
  const balancer = gateway.balancers.get('default') as Balancer
  return {
    url: gateway.url,
    balancer,
    complaints,
    async settled() {
      while (balancer.registry.inFlight > 0) await new Promise(setImmediate)
      await gateway.heard()
    },
    backend: (index = 0) => balancer.registry.list()[index] as Backend,
    close: (timeout = 0) => gateway.close(timeout),
  }
}

async function oneThread(settings: Settings, logger: Logger) {
  const gateway = await createGateway(settings, logger)
  await gateway.listen()
  return { ...gateway, url: gateway.origins[0] as string, heard: async () => {} }
}

/** The pool is that of the control plane, in this thread. */
async function threads(
  settings: Settings,
  logger: Logger,
  { delays, file }: WorkersOptions,
  write: (line: string) => void,
) {
  const logs = new WorkerLogs()
  logs.writeTo({
    room: () => Number.POSITIVE_INFINITY,
    add(lines) {
      for (const line of String(lines).split('\n')) if (line !== '') write(line)
    },
    flush() {},
  })
  const count = settings.workers as number
  const gateway = await createControlPlane(settings, { count, logger, workerLogs: logs, delays, file })
  await gateway.listen()
  const pool = gateway.balancers.get('default')?.workers as PoolWorkers
  return {
    ...gateway,
    url: `http://127.0.0.1:${gateway.workers.ports[0]}`,
    /** Resolves once what the workers have told before now is known. */
    async heard() {
      // An update of no backend, which they acknowledge.
      pool.renewed({ row: 0 } as Backend)
      await pool.settled()
    },
  }
}
