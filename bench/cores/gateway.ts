import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { request } from 'undici'
import { freePort } from '../../test/support/process.js'
import { answering } from '../rig/answering.js'
import { runInForeground } from '../rig/foreground.js'
import { type Requests, requestsByWorker } from './shares.js'

const main = fileURLToPath(new URL('../../src/gateway/main.js', import.meta.url))
/** Milliseconds in which the admin API has to answer. */
const ADMIN_TIMEOUT_MS = 20_000

/** The stand-alone gateway as a process of its own. */
export interface CoresGateway {
  port: number
  pid: number
  /** Bytes of its memory that are in the machine's. */
  memory(): number
  /** Requests that each worker has answered so far; undefined where its metrics do not say. */
  requests(): Promise<Requests | undefined>
  stop(): Promise<void>
}

/**
 * @param node path of the Node that runs it
 * @param cores that it may run on; undefined for any
 */
export async function startGateway(
  node: string,
  workers: number,
  backends: readonly string[],
  cores: readonly number[] | undefined,
  env: Record<string, string> = {},
): Promise<CoresGateway> {
  const adminPort = await freePort()
  const running = await runInForeground(
    `leastwise with ${workers} worker${workers === 1 ? '' : 's'}`,
    ({ port }) => ({
      command: [node, main],
      env: {
        PORT: String(port),
        ADMIN_PORT: String(adminPort),
        WORKERS: String(workers),
        BACKENDS: backends.join(),
        LOG_LEVEL: 'silent',
        ...env,
      },
    }),
    cores,
  )
  await answering(adminPort, ADMIN_TIMEOUT_MS)
  return {
    port: Number(new URL(running.url).port),
    pid: running.pid,
    memory: () => {
      const kilobytes = /^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${running.pid}/status`, 'utf8'))?.[1]
      return Number(kilobytes) * 1024
    },
    async requests() {
      const { body } = await request(`http://127.0.0.1:${adminPort}/metrics`)
      return requestsByWorker(await body.text())
    },
    stop: running.stop,
  }
}
