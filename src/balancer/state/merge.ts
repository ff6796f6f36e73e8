import { type BackendRecord, backendFields } from '../backends/spec.js'
import type { PolicyName } from '../selection/policies/index.js'
import { InvalidStateError } from './schema.js'
import type { ConfiguredBackend, PoolState } from './store.js'

/** What the configuration of a pool says. */
export interface Configuration {
  policy: PolicyName
  backends: readonly ConfiguredBackend[]
}

/**
 * Brings together what the configuration says and what was stored: whoever spoke last counts. The configuration
 * has spoken where it says of a backend, or of the policy, something else than it said when the state was stored.
 * Backends are told apart by URL. An id that the configuration does not give stays as it was, and so do the time
 * and the order of registration.
 * @throws {InvalidStateError} where the configuration gives an id that another backend has by the stored state
 */
export function mergeState(
  { policy, backends }: Configuration,
  stored: PoolState | undefined,
): { policy: PolicyName; backends: BackendRecord[] } {
  if (!stored) return { policy, backends: [...backends] }
  /** Those that are to be registered and are not in the stored state. */
  const left = new Map(backends.map((backend) => [backend.url, backend]))
  const merged: BackendRecord[] = []
  for (const { configured, ...backend } of stored.backends) {
    const said = left.get(backend.url)
    left.delete(backend.url)
    if (said && !(configured && saysTheSame(said, configured))) {
      const { id, addedAt } = backend
      merged.push({ id, ...said, addedAt })
    } else if (said || !configured) {
      merged.push(backend)
    }
  }
  for (const removed of stored.removed) {
    const said = left.get(removed.url)
    if (said && saysTheSame(said, removed)) left.delete(removed.url)
  }
  merged.push(...left.values())
  refuseTakenIds(merged, backends)
  return { policy: stored.policy.configured === policy ? stored.policy.name : policy, backends: merged }
}

function saysTheSame(one: ConfiguredBackend, other: ConfiguredBackend): boolean {
  return backendFields.every((field) => one[field] === other[field])
}

/** Another id made up in silence would be a surprise for whoever uses it. */
function refuseTakenIds(merged: readonly BackendRecord[], configured: readonly ConfiguredBackend[]): void {
  const given = new Map(configured.flatMap(({ id, url }) => (id === undefined ? [] : [[id, url]])))
  for (const { id, url } of merged) {
    const other = id === undefined ? undefined : given.get(id)
    if (other === undefined || other === url) continue
    throw new InvalidStateError(`id "${id}"`, `is that of ${url}, and the configuration gives it to ${other}`)
  }
}
