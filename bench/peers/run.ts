import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port.js'
import type { Launch, PeerKind, PeerPlan, PeerSetup, RunningPeer } from './peer.js'

/** Milliseconds in which it has to answer. */
const START_TIMEOUT = 5000
/** Milliseconds between SIGTERM and SIGKILL. */
const STOP_TIMEOUT = 1000
/** Somebody else may take the port between finding and using it. */
const ATTEMPTS = 3

/** Starts it in the foreground and waits until it answers. */
export async function run(kind: PeerKind, binary: string, setup: PeerSetup): Promise<RunningPeer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await runOnce(kind, binary, setup)
    } catch (error) {
      if (attempt === ATTEMPTS || !/in use/i.test((error as Error).message)) throw error
    }
  }
}

async function runOnce(kind: PeerKind, binary: string, setup: PeerSetup): Promise<RunningPeer> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-peer-'))
  const clean = () => rmSync(folder, { recursive: true, force: true })
  let child: ChildProcess
  try {
    child = start(kind.launch(binary, plan(setup, port, folder)), folder, setup.cpu)
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
  const failed = once(child, 'exit').then(() => {
    throw new Error(`${kind.name} did not start: ${said.trim() || errorLog(folder)}`)
  })
  try {
    await Promise.race([failed, answering(port)])
  } catch (error) {
    await stop()
    throw error
  } finally {
    failed.catch(() => {})
  }
  return { url: `http://127.0.0.1:${port}`, pid: child.pid as number, stop }
}

function plan(setup: PeerSetup, port: number, folder: string): PeerPlan {
  const { profile, backends, health, retries = profile === 'resilient' } = setup
  return {
    profile,
    port,
    folder,
    retries,
    health,
    backends: backends.map(({ url, weight = 1 }) => ({ address: new URL(url).host, weight })),
  }
}

function start({ command, files, env }: Launch, folder: string, cpu: number | undefined): ChildProcess {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const [program = '', ...rest] = cpu === undefined ? command : ['taskset', '-c', String(cpu), ...command]
  return spawn(program, rest, {
    cwd: folder,
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}

function errorLog(folder: string): string {
  try {
    return readFileSync(join(folder, 'error.log'), 'utf8').trim()
  } catch {
    return 'it ended without a word'
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

async function answering(port: number): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT
  while (!(await answers(port))) {
    if (performance.now() > deadline) throw new Error(`nothing answers on port ${port}`)
    await sleep(20)
  }
}

/** Whether it answers what is no HTTP: that it says itself, and no backend hears of it. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('nonsense\r\n\r\n'))
    const done = (answered: boolean) => {
      socket.destroy()
      resolve(answered)
    }
    socket.once('data', () => done(true))
    socket.once('error', () => done(false))
    socket.once('end', () => done(false))
    socket.setTimeout(500, () => done(false))
  })
}
