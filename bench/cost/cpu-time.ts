import { readdirSync, readFileSync } from 'node:fs'

/** A process and all that it started: a daemon's work is done by its workers. */
export function processTree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  )
  return [pid, ...children.flatMap(processTree)]
}

/** Nanoseconds of CPU that processes have used, all their threads, in user mode and in the kernel. */
export function cpuTime(pids: number[]): number {
  return pids.reduce((sum, pid) => sum + threads(pid), 0)
}

/** The scheduler's own count, which is exact; `stat` would be in ticks of 10 ms. */
function threads(pid: number): number {
  let sum = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    sum += Number.parseInt(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1'), 10)
  }
  return sum
}
