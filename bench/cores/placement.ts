import { availableParallelism } from 'node:os'
import { allowedCores, canPin, chooseCores } from '../cost/cores.js'

/**
 * Where gateway and load run:
 * - `own`: each worker has a core of its own, and the load has others.
 * - `one`: all threads of the gateway are on one core, and the load is on another. Each worker then finds as many requests
 *   at a time as a single one does, but no two threads want a count at the same moment.
 * - `shared`: all may run on any core, and the load gives way to the gateway. A worker is then woken for nearly every
 *   request, which makes each cost more than on a core that is full.
 */
export type Sharing = 'own' | 'one' | 'shared'

/** Which cores whose work is done on. */
export interface Placement {
  sharing: Sharing
  /** Of the gateway, the first for the first worker and so on; undefined for any. */
  gateway: number[] | undefined
  /** Of the load: a process on each; undefined for one process on any core. */
  load: number[] | undefined
}

/** Workers that a process of the load can keep busy: a request costs it about half of what it costs the gateway. */
const WORKERS_PER_LOAD = 2

/**
 * Gives each worker a core of its own where there are enough.
 * @param onOneCore whether all threads of the gateway are to be on one core
 * @throws {Error} where that cannot be
 */
export function placementFor(workers: readonly number[], onOneCore: boolean): Placement {
  if (onOneCore) {
    const two = chooseCores()
    if (!two) throw new Error('--one-core needs two cores, and taskset')
    return { sharing: 'one', gateway: [two.gateway], load: [two.load] }
  }
  const cores = allowedCores()
  const most = Math.max(...workers)
  if (cores.length < coresFor(most) || !canPin()) {
    return { sharing: 'shared', gateway: undefined, load: undefined }
  }
  return { sharing: 'own', gateway: cores.slice(-most), load: cores.slice(0, loadsFor(most)) }
}

/**
 * How many workers are measured where nothing is asked for. Two with cores of their own say more than four that share
 * them; where two would have to share them, too, four may, with two on each core.
 */
export function sensibleWorkers(processors = availableParallelism()): number[] {
  const most = [4, 2].find((workers) => processors >= coresFor(workers)) ?? 2 * processors
  return [1, 2, 4].filter((workers) => workers <= most)
}

/** Cores that so many workers and their load need, if each is to have its own. */
function coresFor(workers: number): number {
  return workers + loadsFor(workers)
}

/** Processes of the load that keep so many workers busy. */
function loadsFor(workers: number): number {
  return Math.ceil(workers / WORKERS_PER_LOAD)
}
