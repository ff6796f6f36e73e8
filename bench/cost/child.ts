import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { spawn } from '../../test/support/children.js'
import { pinned } from './cores.js'

export interface ChildOptions {
  /** The core it is to run on; undefined for any. */
  core: number | undefined
  /** Whether it gives way to whoever else wants a core. */
  niced?: boolean
  /** Path of the Node that runs it; the one that runs this without it. */
  node?: string
  arguments?: string[]
  env?: Record<string, string>
  /** What reads its standard output, on which core; undefined where there is none. */
  reader?: { core: number | undefined } | undefined
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A script of this folder as a process of its own. It is ready once it has sent its first message. */
export async function startScript<T>(
  name: string,
  options: ChildOptions,
): Promise<{ child: ChildProcess; ready: T }> {
  const script = fileURLToPath(new URL(`${name}.js`, import.meta.url))
  const { core, niced = false, reader, env, node = process.execPath } = options
  const output = reader ? start(['cat'], reader.core, ['pipe', 'ignore', 'inherit']).stdin : 'ignore'
  const child = start(
    [...(niced ? ['nice', '-n', '19'] : []), node, script, ...(options.arguments ?? [])],
    core,
    ['ignore', output, 'inherit', 'ipc'],
    { PATH: process.env.PATH ?? '', ...env },
  )
  const ended = once(child, 'exit').then(() => {
    throw new Error(`${name} ended before it was ready`)
  })
  const [ready] = (await Promise.race([once(child, 'message'), ended])) as [T]
  ended.catch(() => {})
  return { child, ready }
}

function start(
  command: string[],
  core: number | undefined,
  stdio: Parameters<typeof spawn>[2]['stdio'],
  env?: NodeJS.ProcessEnv,
): ChildProcess {
  const [file = '', ...rest] = pinned(core, command)
  const child = spawn(file, rest, { stdio, ...(env && { env }) })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

export async function stop(child: ChildProcess): Promise<void> {
  if (!running.has(child)) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
