import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn } from '../../test/support/children.js'
import { freePort } from '../../test/support/process.js'
import { answering } from './answering.js'

/** Milliseconds in which it has to answer. */
const START_TIMEOUT = 20_000
/** Milliseconds between SIGTERM and SIGKILL. */
const STOP_TIMEOUT = 1000
/** Somebody else may take the port between finding and using it. */
const ATTEMPTS = 3

/** How a proxy is started: a command that stays in the foreground, and the files it reads, by name. */
export interface Launch {
  command: string[]
  files?: Record<string, string>
  env?: Record<string, string>
}

/** Where it listens, and a folder that is its own and is removed with it. */
export interface Place {
  port: number
  folder: string
}

export interface RunningProxy {
  /** Where it takes requests. */
  url: string
  /** The process that does the work. */
  pid: number
  stop(): Promise<void>
}

/**
 * Starts a proxy in the foreground and waits until it answers.
 * @param cores that it may run on; undefined for any
 */
export async function runInForeground(
  name: string,
  launch: (place: Place) => Launch,
  cores?: number | readonly number[],
): Promise<RunningProxy> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await runOnce(name, launch, cores)
    } catch (error) {
      if (attempt === ATTEMPTS || !/in use/i.test((error as Error).message)) throw error
    }
  }
}

async function runOnce(
  name: string,
  launch: (place: Place) => Launch,
  cores: number | readonly number[] | undefined,
): Promise<RunningProxy> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-proxy-'))
  const clean = () => rmSync(folder, { recursive: true, force: true })
  let child: ChildProcess
  try {
    child = start(launch({ port, folder }), folder, cores)
  } catch (error) {
    clean()
    throw error
  }
  const discard = () => {
    child.kill('SIGKILL')
    clean()
  }
  process.once('exit', discard)
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2000)
  })
  const stop = async () => {
    await end(child)
    process.off('exit', discard)
    clean()
  }
  const ended = once(child, 'exit').then(() => {
    throw new Error(`it ended: ${said.trim() || errorLog(folder)}`)
  })
  // Its end matters only while it starts.
  ended.catch(() => {})
  try {
    await Promise.race([ended, answering(port, START_TIMEOUT)])
  } catch (error) {
    await stop()
    throw new Error(`${name}: ${(error as Error).message}`)
  }
  return { url: `http://127.0.0.1:${port}`, pid: child.pid as number, stop }
}

function start(
  { command, files = {}, env }: Launch,
  folder: string,
  cores: number | readonly number[] | undefined,
): ChildProcess {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const [program = '', ...rest] = cores === undefined ? command : ['taskset', '-c', String(cores), ...command]
  return spawn(program, rest, {
    cwd: folder,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}

/** Where it writes errors when it does not say them. */
function errorLog(folder: string): string {
  try {
    return readFileSync(join(folder, 'error.log'), 'utf8').trim()
  } catch {
    return 'it did not say why'
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT)
  await ended
  clearTimeout(timer)
}
