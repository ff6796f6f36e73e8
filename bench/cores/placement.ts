import { availableParallelism } from 'node:os'
import { allowedCores, canPin } from '../cost/cores.js'

/** Which cores whose work is done on. */
export interface Placement {
  /** Of the gateway, as many as the most workers that it has; undefined where there are not enough cores for all. */
  gateway: number[] | undefined
  /** Of the load: a process on each; undefined for one process on any core, which gives way to the gateway. */
  load: number[] | undefined
}

/** Workers that a process of the load can keep busy: a request costs it about half of what it costs the gateway. */
const WORKERS_PER_LOAD = 2

/** Gives the gateway cores of its own where there are enough, for as many workers as possible. */
export function placementFor(workers: readonly number[]): Placement {
  const cores = allowedCores()
  const most = Math.max(...workers)
  const loads = Math.ceil(most / WORKERS_PER_LOAD)
  if (cores.length < most + loads || !canPin()) return { gateway: undefined, load: undefined }
  return { gateway: cores.slice(-most), load: cores.slice(0, loads) }
}

/** How many workers are measured where nothing is asked for: more than two on a core say nothing. */
export function sensibleWorkers(processors = availableParallelism()): number[] {
  return [1, 2, 4].filter((workers) => workers <= 2 * processors)
}
