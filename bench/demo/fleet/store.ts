import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { spawn } from '../../../test/support/children.js'
import { freePort } from '../../../test/support/process.js'

/** The store of a demo. */
export interface DemoStore {
  url: string
  /** What it is, for people. */
  described: string
  /** Ends the server as kill -9 does; undefined for a server of somebody else. */
  kill: (() => Promise<void>) | undefined
  /** Starts it again, without its data. */
  start(): Promise<void>
  stop(): Promise<void>
}

/** Finds a store: the one that STORE names, or a server of its own; undefined where there is neither. */
export async function openStore(env: NodeJS.ProcessEnv): Promise<DemoStore | undefined> {
  if (env.STORE) {
    // Whatever else is in there has keys of another prefix.
    const url = `${env.STORE}${env.STORE.includes('?') ? '&' : '?'}prefix=leastwise-demo-${process.pid}`
    const none = async () => {}
    return { url, described: 'the store that STORE names', kill: undefined, start: none, stop: none }
  }
  const program = ['valkey-server', 'redis-server'].find((name) => !spawnSync(name, ['--version']).error)
  return program === undefined ? undefined : await ownServer(program)
}

async function ownServer(program: string): Promise<DemoStore> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'leastwise-demo-'))
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--save',
    '',
    '--appendonly',
    'no',
  ]
  let child: ReturnType<typeof spawn> | undefined
  const start = async () => {
    // Of a group of its own: a Ctrl-C is for the demo, which ends it.
    child = spawn(program, args, { stdio: 'ignore', detached: true })
    while (!(await isListening(port))) await sleep(20)
  }
  const kill = async () => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    described: `${program} on port ${port}`,
    kill,
    start,
    async stop() {
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  }).finally(() => socket.destroy())
}
