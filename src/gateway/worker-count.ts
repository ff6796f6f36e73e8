import { SettingError } from '../config/setting-error.js'
import { MAX_WORKERS } from '../config/settings/threads.js'
import type { Settings } from '../config/settings.js'

/**
 * The release of Node from which `reusePort` lets several threads listen on one port. Older ones ignore the option, and
 * the second thread would fail to listen.
 */
const SINCE = { major: 22, minor: 12 }

/**
 * Returns how many threads carry traffic.
 * @param workers the setting `WORKERS`
 * @param nodeVersion as in `process.versions.node`
 * @param processors how many processors the process may use
 * @param name what the user calls the setting
 * @throws {SettingError} if it is more than one, and this release of Node is too old for that
 */
export function workerCount(
  workers: Settings['workers'],
  nodeVersion: string,
  processors: number,
  name = 'WORKERS',
): number {
  const count = workers === 'auto' ? Math.min(processors, MAX_WORKERS) : workers
  if (count === 1 || isSupported(nodeVersion)) return count
  const value = workers === 'auto' ? `"auto", which is ${count} here` : count
  const needed = `Node ${SINCE.major}.${SINCE.minor} or newer, and this is Node ${nodeVersion}`
  throw new SettingError(name, `does not accept ${value}: more than 1 needs ${needed}`)
}

function isSupported(nodeVersion: string): boolean {
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number)
  return major > SINCE.major || (major === SINCE.major && minor >= SINCE.minor)
}
