import type { Backend } from '../backends/backend.js'
import type { Registry } from '../backends/registry.js'
import type { BackendPatch, BackendSpec } from '../backends/spec.js'

/** A change of one backend, as the admin API is asked for it. Times are milliseconds. */
export type BackendChange =
  | { kind: 'add'; backend: BackendSpec }
  | { kind: 'update'; id: string; patch: BackendPatch }
  | { kind: 'drain'; id: string; timeout?: number | undefined }
  | { kind: 'activate'; id: string }
  | { kind: 'remove'; id: string; timeout?: number | undefined; force: boolean }

/** A change of a pool. */
export type PoolChange = BackendChange | { kind: 'policy'; policy: string }

/** What of a pool can be changed: that of the pool in use, or that of a trial. */
export interface ChangeablePool {
  readonly registry: Registry
  policy: string
}

/** What belongs to a change, besides the change itself. */
export interface ChangeCall<T> {
  /**
   * Is called right before the change with the pool as it is then, or with what of it the change concerns: one backend,
   * the policy, or the list for a backend that is added. What it throws refuses the change.
   */
  check?: ((pool: ChangeablePool) => void) | undefined
  /** Makes the result of the call once the change is in force; the backend is undefined for a change of the policy. */
  answer: (backend: Backend | undefined) => T
}

/**
 * Makes a change in a pool.
 * @returns the changed backend; undefined for a change of the policy
 * @throws {BackendNotFoundError | BackendExistsError | InvalidBackendError | UnknownPolicyError} and what `check` throws
 */
export function makeChange(
  pool: ChangeablePool,
  change: PoolChange,
  check?: (pool: ChangeablePool) => void,
): Backend | undefined {
  const { registry } = pool
  // A backend that is not there is told before a condition that it does not meet (RFC 9110 section 13.2.1).
  if ('id' in change) registry.get(change.id)
  check?.(pool)
  switch (change.kind) {
    case 'add':
      return registry.add(change.backend)
    case 'update':
      return registry.update(change.id, change.patch)
    case 'drain':
      return registry.drain(change.id, change.timeout)
    case 'activate':
      return registry.activate(change.id)
    case 'remove':
      return registry.remove(change.id, {
        force: change.force,
        ...(change.timeout !== undefined && { timeout: change.timeout }),
      })
    case 'policy':
      pool.policy = change.policy
      return undefined
  }
}
