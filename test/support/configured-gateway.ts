import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import type { ReloadReport } from '../../src/admin/contract/config.js'
import type { InvalidConfigError } from '../../src/admin/errors.js'
import type { Balancer } from '../../src/balancer/balancer.js'
import { parseConfig } from '../../src/config/environment.js'
import { createGateway, type Gateway } from '../../src/gateway/gateway.js'
import { WorkerLogs } from '../../src/gateway/logging/worker-logs.js'
import { configSource } from '../../src/gateway/reload/config-source.js'
import { createControlPlane } from '../../src/gateway/workers/control-plane.js'
import { type GatewayProcess, startGateway } from './process.js'

/** What a gateway's file says, in its own words. */
export type Document = Record<string, unknown>

/** A file of a gateway in a folder of its own, which ends with the test. */
export class ConfigFile {
  readonly folder = mkdtempSync(join(tmpdir(), 'leastwise-file-'))
  readonly path = join(this.folder, 'gateway.yaml')

  constructor(t: TestContext, content: Document | string) {
    t.after(() => rmSync(this.folder, { recursive: true, force: true }))
    this.write(content)
  }

  /** Writes the file where it is, or another one beside it. */
  write(content: Document | string, name = 'gateway.yaml'): string {
    const path = join(this.folder, name)
    writeFileSync(path, textOf(content))
    return path
  }

  /** Puts another file in its place. */
  replace(content: Document | string): void {
    renameSync(this.write(content, 'gateway.next'), this.path)
  }
}

/** JSON is YAML, too. */
function textOf(content: Document | string): string {
  return typeof content === 'string' ? content : JSON.stringify(content, null, 2)
}

/** A gateway with a file, in this process. */
export interface ConfiguredGateway {
  file: ConfigFile
  gateway: Gateway
  /** Undefined where there is no admin API, and with several threads. */
  admin: FastifyInstance | undefined
  /** Where traffic enters: the first listener. */
  readonly url: string
  readonly urls: readonly string[]
  /** What it has logged. */
  lines: Record<string, unknown>[]
  balancer(pool: string): Balancer
  /** Writes the file and loads it. */
  reload(content: Document | string): Promise<ReloadReport>
  /** Writes the file, which is refused, and resolves to the mistakes. */
  refused(content: Document | string): Promise<string[]>
  close(timeout?: number): Promise<number>
}

/** Whatever is not said otherwise: any free port, and no admin API. */
const defaults = { PORT: '0', ADMIN_PORT: 'off', MAX_EVENT_LOOP_DELAY: '0', CONNECT_TIMEOUT: '30000' }

interface ConfiguredOptions {
  env?: Record<string, string>
  /** What a worker runs, where there are several. */
  worker?: URL
}

/** Starts a gateway with a file in this process, so that its counts can be read at any moment. */
export async function configuredGateway(
  t: TestContext,
  content: Document | string,
  { env = {}, worker }: ConfiguredOptions = {},
): Promise<ConfiguredGateway> {
  const file = new ConfigFile(t, content)
  const lines: Record<string, unknown>[] = []
  const write = (line: string) => void lines.push(JSON.parse(line))
  const logger = pino({ level: 'info' }, { write })
  const variables = { ...defaults, ...env, CONFIG_FILE: file.path }
  const settings = parseConfig(variables)
  const source = await configSource(settings, variables)
  const { workers: count } = source.config
  let gateway: Gateway
  let admin: FastifyInstance | undefined
  let urls: () => readonly string[]
  if (count === 1 || count === 'auto') {
    const one = await createGateway(settings, logger, undefined, source)
    urls = () => one.origins
    admin = one.admin
    gateway = one
  } else {
    const workerLogs = new WorkerLogs()
    workerLogs.writeTo({
      room: () => Number.POSITIVE_INFINITY,
      add: (text) => {
        for (const line of String(text).split('\n')) if (line !== '') write(line)
      },
      flush() {},
    })
    const delays = { next: () => 0 }
    const plane = await createControlPlane(settings, {
      count,
      logger,
      workerLogs,
      delays,
      file: worker,
      source,
    })
    urls = () => plane.workers.ports.map((port) => `http://127.0.0.1:${port}`)
    gateway = plane
  }
  await gateway.listen()
  let isClosed = false
  const close = async (timeout = 0) => {
    isClosed = true
    return gateway.close(timeout)
  }
  t.after(() => isClosed || close())
  return {
    file,
    gateway,
    admin,
    lines,
    get url() {
      return urls()[0] as string
    },
    get urls() {
      return urls()
    },
    balancer: (pool) => gateway.balancers.get(pool) as Balancer,
    async reload(content) {
      file.write(content)
      return gateway.reloads.reload()
    },
    async refused(content) {
      file.write(content)
      const error = await gateway.reloads.reload().then(
        () => assert.fail('the file was taken'),
        (error: InvalidConfigError) => error,
      )
      return error.mistakes.map(({ line, column, path, message }) => {
        const place = line === null ? [] : [`${line}:${column}`]
        return [...place, ...(path === '' ? [] : [path]), message].join(' ')
      })
    },
    close,
  }
}

/** Starts a gateway with a file as a process of its own. */
export async function configuredProcess(
  t: TestContext,
  content: Document | string,
  env: Record<string, string> = {},
): Promise<GatewayProcess & { file: ConfigFile }> {
  const file = new ConfigFile(t, content)
  const gateway = await startGateway({ ...env, CONFIG_FILE: file.path })
  t.after(() => gateway.stop('SIGKILL'))
  return Object.assign(gateway, { file })
}
