import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'

/**
 * Returns a backup for a request that has failed on every other backend: the one with the least load for its weight.
 * Returns undefined for other requests, and where each backup is full or excluded.
 */
export function backupFor(registry: Registry, except: ReadonlySet<Backend> | undefined): Backend | undefined {
  const { standby } = registry
  if (!except || standby.length === 0 || registry.hasEligible(except)) return undefined
  let least: Backend | undefined
  for (const backend of standby) {
    if (backend.isFull || except.has(backend)) continue
    if (!least || backend.load / backend.weight < least.load / least.weight) least = backend
  }
  return least
}
