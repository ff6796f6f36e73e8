import { isSame } from '../backends/sources.js'
import type { BackendRecord, ConfiguredBackend } from '../backends/spec.js'
import type { StoredPool } from '../pool-parts.js'
import type { PolicyName } from '../selection/policies/index.js'
import { InvalidStateError } from './schema.js'
import type { PoolState } from './store.js'

/**
 * Combines the stored state and the configuration: the later change counts. The configuration counts where it differs
 * from what it was when the state was stored, and the stored state counts everywhere else. An id that the configuration
 * does not give stays as it was, and so do the time and the order of registration. The present configuration of the
 * backends is applied on top, see {@link Registry.sync}.
 * @param policy the policy of the configuration
 * @param configured the backends of the configuration
 * @throws {InvalidStateError} where the configuration gives a backend an id that another backend has in the stored
 *   state
 */
export function restorePool(
  policy: PolicyName,
  configured: readonly ConfiguredBackend[],
  stored: PoolState,
): StoredPool {
  const configuredBefore = [
    ...stored.backends.flatMap((backend) => backend.configured ?? []),
    ...stored.removed,
  ]
  const before = new Map(configuredBefore.map((backend) => [backend.url, backend]))
  const urls = new Set(configured.map(({ url }) => url))
  const changed = new Map<string, ConfiguredBackend>()
  for (const backend of configured) {
    const known = before.get(backend.url)
    if (!known || !isSame(known, backend)) changed.set(backend.url, backend)
  }
  const backends: BackendRecord[] = []
  for (const { configured: known, ...backend } of stored.backends) {
    // A backend that was removed from the configuration does not come back.
    if (known && !urls.has(backend.url)) continue
    // Two backends may have swapped their ids, so the new ids count from the start.
    backends.push({ ...backend, id: changed.get(backend.url)?.id ?? backend.id })
  }
  refuseTakenIds(backends, [...changed.values()])
  return {
    policy: stored.policy.configured === policy ? stored.policy.name : policy,
    backends,
    configuredBefore,
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
