import type { Backend } from '../backends/backend.js'
import { idFromOrigin } from '../backends/backend-id.js'
import { type Origin, parseOrigin } from '../backends/origin.js'
import type { CompleteOptions } from '../options.js'
import { type AskedCall, withAsked } from './asked.js'
import { checkAcceptable } from './bring-into-force.js'
import { type ChangeablePool, makeChange, type PoolChange } from './change.js'
import type { KeptPool } from './keeper.js'
import { contentIn, contentOf, isSameContent, type PoolContent } from './pool-content.js'
import type { BackendState, PoolState } from './store.js'
import {
  configurationIn,
  isSameConfiguration,
  type StoredConfiguration,
  storedState,
  TrialPool,
} from './trial-pool.js'

/** What is to be written to the store. */
export interface ChangePlan {
  state: PoolState
  /** The content of the pool of which the state was made. */
  present: PoolContent
  /** False if the store has this state already. */
  isNew: boolean
  /** Id of the backend that is changed; undefined where no change of a backend was asked for. */
  id: string | undefined
}

/** A change that somebody has asked for. */
export interface RequestedChange {
  change: PoolChange
  check: ((pool: ChangeablePool) => void) | undefined
}

/**
 * Makes the state that is to be stored: what the pool has, and a change that was asked for. The change is made in a
 * trial, so that nothing has changed if it is refused or cannot be stored.
 * @param known the state in the store, which is in force here; undefined where the store has none
 * @param configuration the configuration that is stored with it
 * @throws what {@link makeChange} throws, and the errors of a change that cannot come into force here
 */
export function planChange(
  pool: KeptPool,
  options: CompleteOptions,
  known: PoolState | undefined,
  configuration: StoredConfiguration,
  requested?: RequestedChange,
): ChangePlan {
  const present = contentOf(pool)
  const ordered = inOrderOf(known, present)
  const now = pool.clock.date()
  const made = requested && tryChange(pool, options, ordered, requested, now.toISOString())
  const plain = storedState(made?.content ?? ordered, configuration)
  const state = withAsked(plain, known, made?.call, now.getTime())
  if (requested) checkAcceptable(pool.registry, contentIn(state), present)
  const isNew = !known || made?.call !== undefined || !isSameState(known, state)
  return { state, present, isNew, id: made?.backend?.id }
}

/** What a change has made of the content of a pool. */
interface MadeChange {
  content: PoolContent
  backend: Backend | undefined
  /** What other gateways need to know of it. */
  call: AskedCall | undefined
}

/**
 * Makes a change in a trial. That has only the backends that the change concerns, because a pool may have thousands.
 * @param at the time of the call
 */
function tryChange(
  pool: KeptPool,
  options: CompleteOptions,
  { policy, backends }: PoolContent,
  { change, check }: RequestedChange,
  at: string,
): MadeChange {
  const concerned = concernedBy(change, backends, check !== undefined)
  const trial = new TrialPool(options, pool.observerGuard, { policy, backends: concerned })
  try {
    const leaving = 'id' in change ? leavingBackend(pool, change.id) : undefined
    if (leaving) trial.addLeaving(leaving)
    const backend = makeChange(trial, change, check)
    const after = contentOf(trial)
    const changed = new Map(after.backends.map((one) => [one.url, one]))
    const urls = new Set(concerned.map(({ url }) => url))
    const kept = backends.flatMap((one) => (urls.has(one.url) ? (changed.get(one.url) ?? []) : one))
    const added = after.backends.filter(({ url }) => !urls.has(url))
    return {
      content: { policy: after.policy, backends: [...kept, ...added] },
      backend,
      call: backend && askedOf(trial, backend, change, at),
    }
  } finally {
    trial.close()
  }
}

/** @param isCompared true if the change depends on the list as a whole, where a backend is added */
function concernedBy(
  change: PoolChange,
  backends: readonly BackendState[],
  isCompared: boolean,
): readonly BackendState[] {
  if (change.kind === 'policy') return []
  if (change.kind !== 'add') return backends.filter(({ id }) => id === change.id)
  if (isCompared) return backends
  const { id, url } = change.backend
  let origin: Origin
  try {
    origin = parseOrigin(url)
  } catch {
    // The change will be refused for it.
    return []
  }
  const stem = id ?? idFromOrigin(origin, () => false)
  return backends.filter((one) => one.url === origin.origin || one.id.startsWith(stem))
}

/** Keeps the order that is stored, which may be another one than here. */
function inOrderOf(known: PoolState | undefined, { policy, backends }: PoolContent): PoolContent {
  const left = new Map(backends.map((backend) => [backend.url, backend]))
  const first = (known?.backends ?? []).flatMap(({ url }) => {
    const backend = left.get(url)
    left.delete(url)
    return backend ?? []
  })
  return { policy, backends: [...first, ...left.values()] }
}

/** Returns the backend with this id if it is removed as soon as it has no request in flight; it is not stored any more. */
function leavingBackend({ registry }: KeptPool, id: string): Backend | undefined {
  return registry.list().find((backend) => backend.id === id && registry.isLeaving(backend))
}

/** Returns what other gateways need to know of a call, besides the new state. */
function askedOf(
  { registry }: TrialPool,
  backend: Backend,
  change: PoolChange,
  at: string,
): AskedCall | undefined {
  if (change.kind !== 'drain' && change.kind !== 'activate' && change.kind !== 'remove') return undefined
  const { url } = backend
  const timeout = change.kind === 'activate' ? undefined : change.timeout
  const asked = { at, ...(timeout !== undefined && { timeout }) }
  if (registry.holds(backend) && !registry.isLeaving(backend)) return { url, asked }
  const isForced = change.kind === 'remove' && change.force
  return { removal: { url, ...asked, ...(isForced && { force: true }) } }
}

function isSameState(one: PoolState, other: PoolState): boolean {
  return (
    isSameContent(contentIn(one), contentIn(other)) &&
    isSameConfiguration(configurationIn(one), configurationIn(other))
  )
}
