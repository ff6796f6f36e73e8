import type { ChildProcess, ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { spawn } from './children.js'
import { showIfOverdue } from './overdue.js'
import { testWorkers } from './shared-port.js'

export const root = fileURLToPath(new URL('../../../', import.meta.url))
const server = join(root, 'dist/src/gateway/main.js')

/** A stand-alone gateway as a process of its own. */
export interface GatewayProcess {
  child: ChildProcess
  /** Where traffic enters. */
  url: string
  admin: string
  /** Its log lines so far. */
  lines: Record<string, unknown>[]
  /** Resolves to the first line, past or to come, of which this holds. */
  line(matches: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>
  /** Resolves once there is another line. */
  next(): Promise<void>
  /** Sends a signal and waits for the end; resolves to the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

/**
 * Starts a gateway on free ports and waits until it listens.
 * @param args of Node, for one that is installed elsewhere, in `folder`
 * @param command what is to start Node, as the words of a command line; they end with what runs it
 */
export async function startGateway(
  env: Record<string, string> = {},
  args = [server],
  folder?: string,
  [command, ...words]: [string, ...string[]] = [process.execPath],
): Promise<GatewayProcess> {
  const cwd = mkdtempSync(join(tmpdir(), 'leastwise-'))
  const child = spawn(command, [...words, ...args], {
    cwd: folder ?? cwd,
    // A machine that is busy with other tests is not to make it shed requests.
    env: {
      PATH: process.env.PATH,
      PORT: '0',
      ADMIN_PORT: '0',
      MAX_EVENT_LOOP_DELAY: '0',
      WORKERS: testWorkers,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: Record<string, unknown>[] = []
  const listening: string[] = []
  const reader = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const expected = env.ADMIN_PORT === 'off' ? 1 : 2
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the gateway ended with ${code} before it listened`)))
    reader.on('line', (line) => {
      const entry = JSON.parse(line) as Record<string, unknown>
      lines.push(entry)
      const address = /^Server listening at (.*)$/.exec(String(entry.msg))?.[1]
      if (address && listening.push(address) === expected) resolve()
    })
  })
  const [first, last] = [listening[0] as string, listening.at(-1) as string]
  const gateway: GatewayProcess = {
    child,
    lines,
    async line(matches) {
      for (;;) {
        const found = lines.find(matches)
        if (found) return found
        await this.next()
      }
    },
    async next() {
      await once(reader, 'line')
    },
    url: last,
    admin: first,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill(signal)
        await once(child, 'exit')
      }
      rmSync(cwd, { recursive: true, force: true })
      return child.exitCode
    },
  }
  showIfOverdue(gateway)
  return gateway
}

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** Starts a Node process and gathers what it prints until it ends. */
export function start(
  args: string[],
  { env, cwd = tmpdir() }: { env?: Record<string, string>; cwd?: string } = {},
): { process: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return { process: child, ended: gather(child) }
}

/** What a process prints until it ends. */
export async function gather(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const [code] = await once(child, 'close')
  return { code, stdout, stderr }
}

/** Starts a gateway of which more is wanted than its addresses. */
export function spawnServer(env: Record<string, string>, cwd?: string) {
  return start([server], { env, ...(cwd && { cwd }) })
}

/** Runs a gateway that is expected to end by itself. */
export function runServer(env: Record<string, string>, cwd?: string): Promise<Ended> {
  return spawnServer(env, cwd).ended
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

/** Resolves to the log line that says that a backend has got this health, past or to come. @param from index of the first line that counts */
export function healthLine(
  gateway: GatewayProcess,
  backend: string,
  health: string,
  from = 0,
): Promise<Record<string, unknown>> {
  return gateway.line(
    (line) =>
      gateway.lines.indexOf(line) >= from &&
      line.event === 'health' &&
      line.backend === backend &&
      line.health === health,
  )
}
