import { BackendExistsError } from '../errors.js'
import { fieldsOf } from './apply-spec.js'
import type { Backend } from './backend.js'
import { idFromOrigin } from './backend-id.js'
import { newBackend } from './new-backend.js'
import { parseOrigin } from './origin.js'
import type { RegistryOptions } from './registry-options.js'
import type { SourceChanges, SourceEntry } from './sources.js'
import type { BackendSource } from './spec.js'

/** What a new list of a source does to the backends of a pool. Everything in it was checked. */
export interface SyncPlan {
  /**
   * Backends that are removed at once because another one gets their id, or they get another id themselves. Requests in
   * flight on them finish, and no longer count for the pool.
   */
  replaced: Set<Backend>
  /** Backends that drain and are removed, because they left the list. */
  dropped: Backend[]
  /** Backends that the list has; `fields` is undefined where it says the same as before. */
  followed: { backend: Backend; entry: SourceEntry; fields: ReturnType<typeof fieldsOf> | undefined }[]
  /** Backends that were made, and are yet to be registered. */
  added: Backend[]
}

/** A plan that can be carried out. */
export interface PreparedSync {
  plan: SyncPlan
  /** Carries the plan out. Nothing may have changed since it was made. */
  commit(): void
  /** Gives up what the plan has taken. */
  giveUp(): void
}

/**
 * Plans how the changes of a source's list come into force, and changes nothing yet.
 * @throws {InvalidBackendError | BackendExistsError}
 */
export function planSync(
  changes: SourceChanges,
  source: BackendSource,
  backends: readonly Backend[],
  leaving: ReadonlySet<Backend>,
  options: RegistryOptions,
): SyncPlan {
  const plan: SyncPlan = { replaced: new Set(), dropped: [], followed: [], added: [] }
  const newcomers: SourceEntry[] = []
  const urls = new Map(backends.map((backend) => [backend.url, backend]))
  for (const { entry, isKnown } of changes.entries) {
    const backend = urls.get(entry.url)
    if (!backend) {
      if (!isKnown) newcomers.push(entry)
    } else if (!isKnown && entry.id !== undefined && entry.id !== backend.id) {
      // The id of a backend never changes, so a new id means another backend.
      plan.replaced.add(backend)
      newcomers.push({ addedAt: backend.addedAt.toISOString(), ...entry })
    } else {
      const fields = isKnown ? undefined : fieldsOf(backend, entry, options)
      plan.followed.push({ backend, entry, fields })
    }
  }
  const dropped = new Set(changes.dropped.flatMap((url) => urls.get(url) ?? []))
  const ids = freeIds(plan, backends, new Set([...leaving, ...dropped]), newcomers, options)
  plan.dropped = [...dropped].filter((backend) => !plan.replaced.has(backend))
  try {
    for (const entry of newcomers) plan.added.push(newBackend(takeId(entry, ids), entry, source, options))
  } catch (error) {
    for (const { row } of plan.added) options.memory.forget(row)
    throw error
  }
  return plan
}

/** Replaces the backends that leave and whose ids are wanted. Returns the ids that stay in use. */
function freeIds(
  { replaced, followed }: SyncPlan,
  backends: readonly Backend[],
  leaving: ReadonlySet<Backend>,
  newcomers: readonly SourceEntry[],
  { otherThreads }: Pick<RegistryOptions, 'otherThreads'>,
): Set<string> {
  const wanted = new Set(newcomers.flatMap(({ id }) => id ?? []))
  const returning = new Set(followed.flatMap(({ backend, fields }) => (fields ? backend : [])))
  const ids = new Set<string>()
  for (const backend of backends) {
    const leaves = leaving.has(backend) && !returning.has(backend)
    if (leaves && wanted.has(backend.id)) replaced.add(backend)
    // A backend without requests is gone before the first newcomer comes, unless other threads have to hear of it first.
    else if (!replaced.has(backend) && !(leaves && backend.inFlight === 0 && !otherThreads))
      ids.add(backend.id)
  }
  return ids
}

function takeId({ id, url }: SourceEntry, ids: Set<string>): string {
  const taken = id ?? idFromOrigin(parseOrigin(url), (other) => ids.has(other))
  if (ids.has(taken)) throw new BackendExistsError(`id "${taken}"`)
  ids.add(taken)
  return taken
}
