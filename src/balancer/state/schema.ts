import { type AdminState, type BackendSpec, backendFields, type ConfiguredBackend } from '../backends/spec.js'
import { checkAddedAt, checkAdminState, checkSpec, checkTime } from '../backends/validation.js'
import { BalancerError, InvalidBackendError } from '../errors.js'
import { isPolicyName, type PolicyName, policyNames } from '../selection/policies/index.js'
import { checkTimeout } from './asked.js'
import {
  type Asked,
  type BackendState,
  type PoolState,
  type Removal,
  STATE_VERSION,
  type StoredState,
  type StoreRevision,
} from './store.js'

/** The content of a store is not the state of a pool. The message names the field. */
export class InvalidStateError extends BalancerError {
  constructor(where: string, why: string) {
    super('LEASTWISE_INVALID_STATE', `${where} ${why}`)
  }
}

type Fields = Record<string, unknown>

/** The content that was loaded from a store; the revision is undefined where the store has none. */
export interface Loaded {
  state: PoolState
  revision: StoreRevision | undefined
}

/**
 * Checks the content that a store was loaded with: a state, alone or with its revision.
 * @returns undefined where nothing was ever stored
 * @throws {InvalidStateError}
 */
export function readStored(loaded: PoolState | StoredState | undefined): Loaded | undefined {
  if (loaded === undefined) return undefined
  const { state, revision } = isObject(loaded) ? (loaded as Partial<StoredState>) : {}
  if (revision !== undefined) return { state: readState(state), revision }
  return { state: readState(loaded), revision: undefined }
}

/**
 * Checks a state from a store, which people may have edited, by the same rules as backends that are registered.
 * @throws {InvalidStateError} for the first invalid field
 */
export function readState(value: unknown): PoolState {
  if (!isObject(value)) throw new InvalidStateError('it', 'is no JSON object')
  const { version } = value
  // The version is checked first, because nothing is known of the other fields of another version.
  if (version !== STATE_VERSION) throw new InvalidStateError('version', `must be ${STATE_VERSION}`)
  const known = ['version', 'policy', 'backends', 'removed', 'removals']
  const { policy, backends, removed, removals } = fields(value, '', known)
  const { name, configured } = fields(policy, 'policy', ['name', 'configured'])
  const state: PoolState = {
    version: STATE_VERSION,
    policy: {
      name: readPolicy(name, 'policy.name'),
      configured: readPolicy(configured, 'policy.configured'),
    },
    backends: list(backends, 'backends').map((entry, i) => readBackend(entry, `backends[${i}]`)),
    removed: list(removed, 'removed').map((entry, i) => readConfigured(entry, `removed[${i}]`)),
    ...(removals !== undefined && {
      removals: list(removals, 'removals').map((entry, i) => readRemoval(entry, `removals[${i}]`)),
    }),
  }
  refuseDoubles(state.backends, 'url')
  refuseDoubles(state.backends, 'id')
  return state
}

function readConfigured(value: unknown, where: string): ConfiguredBackend {
  return describedBy(fields(value, where, backendFields), where)
}

function readBackend(value: unknown, where: string): BackendState {
  const found = fields(value, where, [...backendFields, 'state', 'addedAt', 'configured', 'asked'])
  const description = describedBy(found, where)
  const { id } = description
  if (id === undefined) throw new InvalidStateError(`${where}.id`, 'is missing')
  const backend = checked(where, () => ({
    ...description,
    id,
    state: checkAdminState(found.state as AdminState),
    addedAt: checkAddedAt(found.addedAt as string).toISOString(),
    ...(found.asked !== undefined && {
      asked: readAsked(fields(found.asked, `${where}.asked`, ['at', 'timeout']), `${where}.asked`),
    }),
  }))
  if (found.configured === undefined) return backend
  const configured = readConfigured(found.configured, `${where}.configured`)
  if (configured.url === description.url) return { ...backend, configured }
  throw new InvalidStateError(`${where}.configured.url`, 'must be that of the backend')
}

function readAsked(found: Fields, where: string): Asked {
  return checked(where, () => {
    const timeout = checkTimeout(found.timeout)
    return {
      at: checkTime('at', found.at as string).toISOString(),
      ...(timeout !== undefined && { timeout }),
    }
  })
}

function readRemoval(value: unknown, where: string): Removal {
  const found = fields(value, where, ['url', 'at', 'timeout', 'force'])
  const { url, force } = found
  if (typeof url !== 'string') throw new InvalidStateError(`${where}.url`, 'must be text')
  if (force !== undefined && force !== true) throw new InvalidStateError(`${where}.force`, 'must be true')
  return { url, ...readAsked(found, where), ...(force && { force }) }
}

function describedBy(found: Fields, where: string): ConfiguredBackend {
  if (found.weight === undefined) throw new InvalidStateError(`${where}.weight`, 'is missing')
  return checked(where, () => checkSpec(found as object as BackendSpec))
}

/**
 * Runs a check of the registry, and turns its error into one that names the field. These checks do not rely on types.
 */
function checked<T>(where: string, check: () => T): T {
  try {
    return check()
  } catch (error) {
    if (!(error instanceof InvalidBackendError)) throw error
    throw new InvalidStateError(`${where}.${error.field}`, error.message.slice(error.field.length + 1))
  }
}

function readPolicy(value: unknown, where: string): PolicyName {
  if (typeof value === 'string' && isPolicyName(value)) return value
  throw new InvalidStateError(where, `must be one of ${policyNames.join(', ')}`)
}

function fields(value: unknown, where: string, known: readonly string[]): Fields {
  if (!isObject(value)) throw new InvalidStateError(where, 'must be an object')
  const unknown = Object.keys(value).find((name) => !known.includes(name))
  if (unknown === undefined) return value
  throw new InvalidStateError(
    where || 'it',
    `has a field that is not known: ${JSON.stringify(unknown.slice(0, 40))}`,
  )
}

function list(value: unknown, where: string): unknown[] {
  if (Array.isArray(value)) return value
  throw new InvalidStateError(where, 'must be a list')
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refuseDoubles(backends: readonly BackendState[], field: 'url' | 'id'): void {
  const seen = new Set<string>()
  for (const [i, { [field]: value }] of backends.entries()) {
    if (seen.has(value)) throw new InvalidStateError(`backends[${i}].${field}`, `is there twice: ${value}`)
    seen.add(value)
  }
}
