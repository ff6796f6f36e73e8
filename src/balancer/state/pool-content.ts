import { tlsFields } from '../backends/backend-tls.js'
import { isSame } from '../backends/sources.js'
import { type BackendRecord, backendFields } from '../backends/spec.js'
import type { ChangeablePool } from './change.js'
import { backendStateOf } from './state-of.js'
import type { BackendState, PoolState } from './store.js'

/** What gateways that share a store have in common of a pool: its backends as they are registered, and its policy. */
export interface PoolContent {
  policy: string
  /** Without those that are removed once they have no request in flight. */
  backends: readonly BackendState[]
}

/** Returns the content of a pool in use. */
export function contentOf({ registry, policy }: ChangeablePool): PoolContent {
  const staying = registry.list().filter((backend) => !registry.isLeaving(backend))
  return { policy, backends: staying.map(backendStateOf) }
}

/** Returns the content of a stored state. */
export function contentIn({ policy, backends }: PoolState): PoolContent {
  return { policy: policy.name, backends }
}

/** What is different between two contents, as lists of descriptions for {@link Registry.sync}. */
export interface ContentChange {
  /** Backends that the second content does not have. */
  dropped: BackendState[]
  /** Backends that the second content has otherwise, as they were. */
  before: BackendRecord[]
  /** Backends that the second content has otherwise, as they are; and those that only the second has. */
  now: BackendRecord[]
}

/** Compares two contents; the order of backends does not count, and neither do times of registration. */
export function changeBetween(one: PoolContent, other: PoolContent): ContentChange {
  const old = byUrl(one)
  const change: ContentChange = { dropped: [], before: [], now: [] }
  for (const backend of other.backends) {
    const known = old.get(backend.url)
    old.delete(backend.url)
    if (known && isSame(known, backend)) continue
    if (known) change.before.push(known)
    change.now.push(backend)
  }
  change.dropped = [...old.values()]
  return change
}

/** Returns true if both contents say the same. */
export function isSameContent(one: PoolContent, other: PoolContent): boolean {
  const { dropped, now } = changeBetween(one, other)
  return one.policy === other.policy && dropped.length === 0 && now.length === 0
}

/**
 * Makes the changes that lead from one content to another in a third one. A field that was changed here counts more than
 * the same field there, and a backend that was removed here or there stays removed.
 * @param onto the content in which the changes are made
 */
export function rebase(onto: PoolContent, before: PoolContent, now: PoolContent): PoolContent {
  if (isSameContent(before, now)) return onto
  const old = byUrl(before)
  const own = byUrl(now)
  const backends: BackendState[] = []
  for (const theirs of onto.backends) {
    const was = old.get(theirs.url)
    const is = own.get(theirs.url)
    own.delete(theirs.url)
    if (is) backends.push(merged(theirs, was, is))
    else if (!was) backends.push(theirs)
  }
  // What is left was added here, or removed there.
  for (const is of own.values()) if (!old.has(is.url)) backends.push(is)
  return { policy: now.policy === before.policy ? onto.policy : now.policy, backends }
}

const tls: readonly string[] = tlsFields
/** The fields of a backend that change by themselves. Those of TLS change together, as a key belongs to its certificate. */
const singleFields = ([...backendFields, 'state'] as const).filter(
  (field) => !tls.includes(field) && field !== 'url' && field !== 'id',
)

/** @param was the backend as it was before it was changed here; undefined if it was added here */
function merged(theirs: BackendState, was: BackendState | undefined, is: BackendState): BackendState {
  // A backend that was added here and there is the one that is stored, described as it was here.
  if (!was) return { ...is, id: theirs.id, addedAt: theirs.addedAt }
  const result: Record<string, unknown> = { ...theirs }
  const changed: string[] = singleFields.filter((field) => was[field] !== is[field])
  if (tlsFields.some((field) => was[field] !== is[field])) changed.push(...tlsFields)
  for (const field of changed) {
    const value = is[field as keyof BackendState]
    if (value === undefined) delete result[field]
    else result[field] = value
  }
  return result as unknown as BackendState
}

function byUrl({ backends }: PoolContent): Map<string, BackendState> {
  return new Map(backends.map((backend) => [backend.url, backend]))
}
