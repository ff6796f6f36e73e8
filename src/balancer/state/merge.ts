import type { BackendRecord, ConfiguredBackend } from '../backends/spec.js'
import type { StoredBackends } from '../pool-parts.js'
import type { PolicyName } from '../selection/policies/index.js'
import { InvalidStateError } from './schema.js'
import type { PoolState } from './store.js'

/** How a pool begins that was stored; what its configuration says now comes on top, see {@link Registry.sync}. */
export interface RestoredPool extends StoredBackends {
  policy: PolicyName
}

/**
 * Brings together what was stored and what the configuration says: whoever spoke last counts. The configuration has
 * spoken where it says something else than it said when the state was stored. An id that it does not give stays as it was,
 * and so do the time and the order of registration.
 * @param policy of the configuration
 * @param configured the backends of the configuration
 * @throws {InvalidStateError} where the configuration gives an id that another backend has by the stored state
 */
export function restorePool(
  policy: PolicyName,
  configured: readonly ConfiguredBackend[],
  stored: PoolState,
): RestoredPool {
  const named = new Map(configured.map((backend) => [backend.url, backend]))
  const backends: BackendRecord[] = []
  for (const { configured: before, ...backend } of stored.backends) {
    const now = named.get(backend.url)
    // A backend that was removed from the configuration does not come back.
    if (before && !now) continue
    // Two backends may have changed their ids for each other's, so that the new ids count from the start.
    backends.push({ ...backend, id: now?.id ?? backend.id })
  }
  refuseTakenIds(backends, configured)
  return {
    policy: stored.policy.configured === policy ? stored.policy.name : policy,
    backends,
    configuredBefore: [...stored.backends.flatMap((backend) => backend.configured ?? []), ...stored.removed],
  }
}

/** Refuses ids that are taken: silently making up another id would surprise the users of the first one. */
function refuseTakenIds(restored: readonly BackendRecord[], configured: readonly ConfiguredBackend[]): void {
  const given = new Map(configured.flatMap(({ id, url }) => (id === undefined ? [] : [[id, url]])))
  for (const { id, url } of restored) {
    const other = id === undefined ? undefined : given.get(id)
    if (other === undefined || other === url) continue
    throw new InvalidStateError(`id "${id}"`, `is that of ${url}, and the configuration gives it to ${other}`)
  }
}
