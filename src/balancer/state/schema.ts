import {
  type AdminState,
  type BackendSpec,
  backendFields,
  checkAddedAt,
  checkAdminState,
  checkBackup,
  checkHealthHost,
  checkHealthPort,
  checkHostHeader,
  checkId,
  checkMaxConnections,
  checkWeight,
  type HostHeader,
  parseOrigin,
} from '../backends/spec.js'
import { BalancerError, InvalidBackendError } from '../errors.js'
import { isPolicyName, type PolicyName, policyNames } from '../selection/policies/index.js'
import { type BackendState, type ConfiguredBackend, type PoolState, STATE_VERSION } from './store.js'

/** What a store holds is not the state of a pool; the message names the field. */
export class InvalidStateError extends BalancerError {
  constructor(where: string, why: string) {
    super('LEASTWISE_INVALID_STATE', `${where} ${why}`)
  }
}

type Fields = Record<string, unknown>

/**
 * Reads what came from a store, which people may have edited: by the same rules as backends that are registered.
 * @throws {InvalidStateError} for the first field that is not as it should be
 */
export function readState(value: unknown): PoolState {
  if (!isObject(value)) throw new InvalidStateError('it', 'is no JSON object')
  const { version } = value
  // First of all: of another version nothing else is known.
  if (version !== STATE_VERSION) throw new InvalidStateError('version', `must be ${STATE_VERSION}`)
  const { policy, backends, removed } = fields(value, '', ['version', 'policy', 'backends', 'removed'])
  const { name, configured } = fields(policy, 'policy', ['name', 'configured'])
  const state: PoolState = {
    version: STATE_VERSION,
    policy: {
      name: readPolicy(name, 'policy.name'),
      configured: readPolicy(configured, 'policy.configured'),
    },
    backends: list(backends, 'backends').map((entry, i) => readBackend(entry, `backends[${i}]`)),
    removed: list(removed, 'removed').map((entry, i) => readConfigured(entry, `removed[${i}]`)),
  }
  refuseDoubles(state.backends, 'url')
  refuseDoubles(state.backends, 'id')
  return state
}

/**
 * What a configuration says of a backend, so that it can be compared.
 * @throws {InvalidBackendError}
 */
export function configuredBackend(spec: BackendSpec): ConfiguredBackend {
  const { id, maxConnections, hostHeader } = spec
  const healthPort = checkHealthPort(spec.healthPort)
  const healthHost = checkHealthHost(spec.healthHost)
  return {
    url: parseOrigin(spec.url).origin,
    ...(id !== undefined && { id: checkId(id) }),
    weight: checkWeight(spec.weight ?? 1),
    ...(maxConnections !== undefined && { maxConnections: limitOf(maxConnections) }),
    ...(hostHeader !== undefined && { hostHeader: checkHostHeader(hostHeader) as HostHeader }),
    ...(checkBackup(spec.backup) && { backup: true as const }),
    ...(healthPort !== undefined && { healthPort }),
    ...(healthHost !== undefined && { healthHost }),
  }
}

function limitOf(maxConnections: number | null): number | null {
  const limit = checkMaxConnections(maxConnections)
  return Number.isFinite(limit) ? limit : null
}

function readConfigured(value: unknown, where: string): ConfiguredBackend {
  return describedIn(fields(value, where, backendFields), where)
}

function readBackend(value: unknown, where: string): BackendState {
  const found = fields(value, where, [...backendFields, 'state', 'addedAt', 'configured'])
  const said = describedIn(found, where)
  const { id } = said
  if (id === undefined) throw new InvalidStateError(`${where}.id`, 'is missing')
  const backend = judged(where, () => ({
    ...said,
    id,
    state: checkAdminState(found.state as AdminState),
    addedAt: checkAddedAt(found.addedAt as string).toISOString(),
  }))
  if (found.configured === undefined) return backend
  const configured = readConfigured(found.configured, `${where}.configured`)
  if (configured.url === said.url) return { ...backend, configured }
  throw new InvalidStateError(`${where}.configured.url`, 'must be that of the backend')
}

function describedIn(found: Fields, where: string): ConfiguredBackend {
  if (found.weight === undefined) throw new InvalidStateError(`${where}.weight`, 'is missing')
  return judged(where, () => configuredBackend(found as object as BackendSpec))
}

/** The checks of a registry do not rely on types. */
function judged<T>(where: string, check: () => T): T {
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
