import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Which core whose work is done on. */
export interface Cores {
  /** Of the gateway that is measured. */
  gateway: number
  /** Of the clients and the backends. */
  load: number
}

/** Cores that this process may use. */
export function allowedCores(): number[] {
  const allowed = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? ''
  return allowed.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

/** Whether there is a way to keep a process on some cores. */
export function canPin(): boolean {
  return spawnSync('taskset', ['-V']).status === 0
}

/** Two cores of this machine; undefined where it has one, or no way to keep a process on one. */
export function chooseCores(): Cores | undefined {
  const cores = allowedCores()
  const load = cores[0]
  const gateway = cores.at(-1)
  if (load === undefined || gateway === undefined || load === gateway) return undefined
  return canPin() ? { gateway, load } : undefined
}

/** A command line that runs on one core. (taskset becomes the command: the process is the same.) */
export function pinned(core: number | undefined, command: string[]): string[] {
  return core === undefined ? command : ['taskset', '-c', String(core), ...command]
}
