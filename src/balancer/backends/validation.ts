import { InvalidBackendError } from '../errors.js'
import { checkTls } from './backend-tls.js'
import { parseOrigin } from './origin.js'
import {
  type AdminState,
  type BackendSpec,
  type ConfiguredBackend,
  HOST_FIELD,
  type HostHeader,
  MAX_CONNECTIONS,
  MAX_PORT,
  MAX_WEIGHT,
} from './spec.js'
import { isUnixUrl } from './unix-url.js'

const ID_PATTERN = /^[A-Za-z0-9._~-]{1,64}$/

/** @throws {InvalidBackendError} */
export function checkId(id: string): string {
  if (typeof id !== 'string' || !ID_PATTERN.test(id) || id === '.' || id === '..') {
    throw new InvalidBackendError('id', 'must be 1 to 64 of A-Z a-z 0-9 . _ ~ -')
  }
  return id
}

/** @throws {InvalidBackendError} */
function checkHostHeader(hostHeader: HostHeader | undefined): HostHeader | undefined {
  if (hostHeader !== undefined && hostHeader !== 'client' && hostHeader !== 'backend') {
    throw new InvalidBackendError('hostHeader', 'must be "client" or "backend"')
  }
  return hostHeader
}

/** @throws {InvalidBackendError} */
export function checkWeight(weight: number): number {
  if (weight === 0) {
    throw new InvalidBackendError(
      'weight',
      `must be a whole number from 1 to ${MAX_WEIGHT}; a backend that is to get no new request is drained instead`,
    )
  }
  if (!Number.isInteger(weight) || weight < 1 || weight > MAX_WEIGHT) {
    throw new InvalidBackendError('weight', `must be a whole number from 1 to ${MAX_WEIGHT}`)
  }
  return weight
}

/** @throws {InvalidBackendError} */
export function checkAdminState(state: AdminState): AdminState {
  if (state !== 'active' && state !== 'draining') {
    throw new InvalidBackendError('state', 'must be "active" or "draining"')
  }
  return state
}

/** @throws {InvalidBackendError} */
export function checkAddedAt(addedAt: string): Date {
  return checkTime('addedAt', addedAt)
}

/** @throws {InvalidBackendError} where the value of a field is no time */
export function checkTime(field: string, value: string): Date {
  const date = new Date(typeof value === 'string' ? value : Number.NaN)
  if (Number.isNaN(date.getTime())) throw new InvalidBackendError(field, 'must be a date in ISO 8601')
  return date
}

/**
 * Returns Infinity for no limit.
 * @throws {InvalidBackendError}
 */
export function checkMaxConnections(limit: number | null): number {
  if (limit === null || limit === 0) return Number.POSITIVE_INFINITY
  if (!Number.isInteger(limit) || limit < 0 || limit > MAX_CONNECTIONS) {
    throw new InvalidBackendError(
      'maxConnections',
      `must be a whole number from 1 to ${MAX_CONNECTIONS}, or 0 or null for no limit`,
    )
  }
  return limit
}

/** @throws {InvalidBackendError} */
export function checkBackup(backup: boolean | undefined): boolean {
  if (backup === undefined) return false
  if (typeof backup !== 'boolean') throw new InvalidBackendError('backup', 'must be true or false')
  return backup
}

/**
 * Returns undefined where the pool's setting applies.
 * @param url of the backend
 * @throws {InvalidBackendError}
 */
export function checkHealthPort(port: number | null | undefined, url: string): number | undefined {
  if (port === null || port === undefined) return undefined
  if (isUnixUrl(url)) {
    throw new InvalidBackendError(
      'healthPort',
      'is not for a Unix socket: its checks go to the socket itself',
    )
  }
  if (Number.isInteger(port) && port >= 1 && port <= MAX_PORT) return port
  throw new InvalidBackendError('healthPort', `must be a whole number from 1 to ${MAX_PORT}`)
}

/**
 * Returns undefined where the pool's setting applies.
 * @throws {InvalidBackendError}
 */
export function checkHealthHost(host: string | null | undefined): string | undefined {
  if (host === null || host === undefined) return undefined
  if (typeof host === 'string' && HOST_FIELD.test(host)) return host
  throw new InvalidBackendError('healthHost', 'must be a host name or an address, with or without a port')
}

/**
 * Checks the description of a backend and normalizes it, so that two descriptions can be compared.
 * @throws {InvalidBackendError}
 */
export function checkSpec(spec: BackendSpec): ConfiguredBackend {
  const { id, maxConnections, hostHeader } = spec
  const url = parseOrigin(spec.url)
  const healthPort = checkHealthPort(spec.healthPort, url.origin)
  const healthHost = checkHealthHost(spec.healthHost)
  return {
    url: url.origin,
    ...(id !== undefined && { id: checkId(id) }),
    weight: checkWeight(spec.weight ?? 1),
    ...(maxConnections !== undefined && { maxConnections: limitOrNull(checkMaxConnections(maxConnections)) }),
    ...(hostHeader !== undefined && { hostHeader: checkHostHeader(hostHeader) as HostHeader }),
    ...(checkBackup(spec.backup) && { backup: true as const }),
    ...(healthPort !== undefined && { healthPort }),
    ...(healthHost !== undefined && { healthHost }),
    ...checkTls(spec, url),
  }
}

/** Returns null in place of Infinity, for formats like JSON that have no Infinity. */
export function limitOrNull(limit: number): number | null {
  return Number.isFinite(limit) ? limit : null
}
