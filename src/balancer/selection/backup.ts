import type { Backend } from '../backends/backend.js'

/** Returns the backup with the least load for its weight; undefined where each backup is full or excluded. */
export function leastLoadedBackup(
  backups: readonly Backend[],
  except: ReadonlySet<Backend>,
): Backend | undefined {
  let least: Backend | undefined
  for (const backend of backups) {
    if (backend.isFull || except.has(backend)) continue
    if (!least || backend.load / backend.weight < least.load / least.weight) least = backend
  }
  return least
}
