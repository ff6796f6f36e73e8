import { InvalidBackendError } from '../errors.js'
import { checkTls } from './backend-tls.js'
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

const ID_PATTERN = /^[A-Za-z0-9._~-]{1,64}$/

/**
 * Parses a backend's URL.
 * @throws {InvalidBackendError} for anything but scheme, host and port. WHATWG URL parsing silently corrects many
 *   mistakes (blanks, backslashes, a missing slash); such a URL is refused instead.
 */
export function parseOrigin(text: string): URL {
  const refuse = (why: string) => new InvalidBackendError('url', why)
  if (typeof text !== 'string' || !/^https?:\/\//i.test(text))
    throw refuse('must start with http:// or https://')
  const rest = text.slice(text.indexOf('//') + 2)
  if (rest.includes('@')) throw refuse('must not have credentials')
  if (rest.includes('?')) throw refuse('must not have a query')
  if (rest.includes('#')) throw refuse('must not have a fragment')
  if (/[^/]*\/./.test(rest)) throw refuse('must not have a path')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\s\\\u0000-\u001f\u007f]/.test(rest)) throw refuse('must be scheme://host:port')
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw refuse('must be scheme://host:port')
  }
  if (url.port === '0') throw refuse('must not have port 0')
  const ipv4 = mappedIpv4(url.hostname)
  if (ipv4 !== undefined) url.hostname = ipv4
  return url
}

/** The IPv4 address that an IPv6 address of the form `[::ffff:127.0.0.1]` stands for (RFC 4291 section 2.5.5.2). */
function mappedIpv4(hostname: string): string | undefined {
  // The URL parser has written the address in its shortest form, in hexadecimal digits.
  const [, high, low] = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname) ?? []
  if (high === undefined || low === undefined) return undefined
  const [first, last] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return [first >> 8, first & 255, last >> 8, last & 255].join('.')
}

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
  const date = new Date(typeof addedAt === 'string' ? addedAt : Number.NaN)
  if (Number.isNaN(date.getTime())) throw new InvalidBackendError('addedAt', 'must be a date in ISO 8601')
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
 * @throws {InvalidBackendError}
 */
export function checkHealthPort(port: number | null | undefined): number | undefined {
  if (port === null || port === undefined) return undefined
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
  const healthPort = checkHealthPort(spec.healthPort)
  const healthHost = checkHealthHost(spec.healthHost)
  const url = parseOrigin(spec.url)
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
