import type { PoolHandle } from '../balancer/threads/messages.js'
import { optionLabel, refuseOption } from './option-error.js'
import { SettingError } from './setting-error.js'
import { MAX_WORKERS } from './settings/threads.js'

/** Options of the plugin for pools that several threads share. */
export interface ThreadOptions {
  /**
   * Largest number of worker threads that carry the traffic of the pool, up to 256. The thread that sets this option
   * controls the pool: it checks the backends, keeps the state and has the admin API, and it proxies nothing. 0 by
   * default, for a pool whose traffic this thread carries.
   */
  workers?: number | undefined
  /**
   * The handle of a pool that another thread controls: `app.balancer.workers.connect().handle` there. This thread then
   * carries traffic of that pool, whose backends and policy it follows. Not set by default.
   */
  shared?: PoolHandle | undefined
}

/** The options of the plugin that only the thread which controls a pool may have. */
const controlOptions = ['admin', 'store', 'workers'] as const

/** @throws {SettingError} */
export function readWorkers(given: unknown): number {
  if (Number.isInteger(given) && (given as number) >= 0 && (given as number) <= MAX_WORKERS)
    return given as number
  throw refuseOption('workers', given, `it takes a whole number from 0 to ${MAX_WORKERS}`)
}

/**
 * Checks the handle of a pool that another thread controls.
 * @param options all options of the plugin
 * @throws {SettingError} for a value that is no handle, and for options that belong to the other thread
 */
export function readShared(options: object): PoolHandle | undefined {
  const { shared } = options as ThreadOptions
  if (shared === undefined) return undefined
  const { table, port, worker } = Object(shared) as Partial<PoolHandle>
  if (table === undefined || port === undefined || !Number.isInteger(worker)) {
    throw new SettingError(
      optionLabel('shared'),
      'takes the handle of a worker: balancer.workers.connect().handle',
    )
  }
  const foreign = controlOptions.find((name) => (options as Record<string, unknown>)[name])
  if (foreign) {
    throw new SettingError(
      optionLabel(foreign),
      'belongs to the thread that controls the pool, not to a worker',
    )
  }
  return shared
}
