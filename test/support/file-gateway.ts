import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { pino } from 'pino'
import type { Balancer } from '../../src/balancer/balancer.js'
import { parseConfig } from '../../src/config/environment.js'
import { createGateway } from '../../src/gateway/gateway.js'
import { configSource } from '../../src/gateway/reload/config-source.js'

/** What a gateway's file says, apart from where it listens. */
interface FileContents {
  pools: Record<string, Record<string, unknown>>
  routes: Record<string, unknown>[]
}

export interface FileGateway {
  url: string
  /** The lines that it has logged. */
  lines: Record<string, unknown>[]
  pool(name: string): Balancer
  /** The page of metrics. */
  metrics(): Promise<string>
  /** Brings another file into force. */
  apply(contents: FileContents): Promise<void>
  close(timeout?: number): Promise<unknown>
}

/** A gateway in this process that runs from a file. No request may be in flight once the test is over. */
export async function openFileGateway(
  t: TestContext,
  contents: FileContents,
  env: Record<string, string> = {},
): Promise<FileGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-'))
  const file = join(folder, 'gateway.json')
  const lines: Record<string, unknown>[] = []
  const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line)) })
  const write = (given: FileContents) => {
    const local = { host: '127.0.0.1', port: 0 }
    writeFileSync(file, JSON.stringify({ listen: [local], admin: local, ...given }))
  }
  write(contents)
  const settings = parseConfig({
    CONFIG_FILE: file,
    MAX_EVENT_LOOP_DELAY: '0',
    CONNECT_TIMEOUT: '30000',
    SLOW_START: '0',
    LOG_LEVEL: 'info',
    ...env,
  })
  const gateway = await createGateway(
    settings,
    logger,
    undefined,
    await configSource(settings, { SECRET: 'x'.repeat(32) }),
  )
  await gateway.listen()
  const pool = (name: string) => gateway.balancers.get(name) as Balancer
  let isOpen = true
  const close = async (timeout = 0) => {
    if (!isOpen) return 0
    isOpen = false
    return gateway.close(timeout)
  }
  t.after(async () => {
    const balancers = [...gateway.balancers.values()]
    await close()
    for (const { registry } of balancers) assert.equal(registry.inFlight, 0)
    rmSync(folder, { recursive: true })
  })
  return {
    url: gateway.origins[0] as string,
    lines,
    pool,
    metrics: async () => (await gateway.admin?.inject('/metrics'))?.body ?? '',
    async apply(next) {
      write(next)
      await gateway.reloads.reload()
    },
    close,
  }
}
