import { isIP } from 'node:net'
import { type TSchema, Type } from 'typebox'
import { isPath, isServername } from '../balancer/backends/backend-tls.js'
import { type BackendSpec, HOST_FIELD } from '../balancer/backends/spec.js'
import { MAX_TIMER_MS } from '../balancer/time/clock.js'
import { isToken } from '../proxy/http/fields.js'
import { statusesOf } from '../proxy/http/status-ranges.js'
import { MAX_TRUSTED_HOPS, type TrustSetting, trustOf } from '../proxy/http/trust.js'
import { readBackendList } from './backend-list.js'

/** The type of a setting: which values it accepts, how text is converted to a value, and how messages describe it. */
export interface SettingType<S extends TSchema = TSchema> {
  schema: S
  /** A description of the accepted values that completes the sentence "it takes …". */
  accepts: string
  /** Unit of a number, in the plural: `milliseconds`, `requests`. */
  unit?: string
  /**
   * Converts the text of an environment variable to a value, which is then checked against `schema`. It may throw an
   * error.
   */
  read(text: string): unknown
}

/** A whole number. @param zero the meaning of 0, if 0 has a special meaning */
export function integer(
  minimum: number,
  maximum: number,
  unit = '',
  zero = '',
): SettingType<ReturnType<typeof Type.Integer>> {
  const range = `a whole number${unit && ` of ${unit}`} from ${minimum} to ${maximum}`
  return {
    schema: Type.Integer({ minimum, maximum }),
    accepts: zero ? `${range}, 0 ${zero}` : range,
    ...(unit && { unit }),
    // The pattern is needed because Number() would also accept '', ' 7 ', '1e3' and '0x10'.
    read: (text) => (/^\d+$/.test(text) ? Number(text) : text),
  }
}

export const milliseconds = (minimum: number, zero = '') =>
  integer(minimum, MAX_TIMER_MS, 'milliseconds', zero)
export const percent = integer(0, 100, 'percent')
export const bytes = (zero: string) => integer(0, Number.MAX_SAFE_INTEGER, 'bytes', zero)

export function choice<const T extends string>(...values: readonly T[]) {
  return {
    schema: Type.Unsafe<T>(Type.Enum([...values])),
    accepts: `one of ${values.join(', ')}`,
    read: asItIs,
  }
}

/** A value that is either a number of the given type or one of the given words. */
export function wordOr<const T extends string>(number: SettingType, ...words: readonly T[]) {
  return {
    schema: Type.Unsafe<T | number>(Type.Union([number.schema, Type.Enum([...words])])),
    accepts: `${words.map((word) => `"${word}"`).join(' or ')}, or ${number.accepts}`,
    ...(number.unit && { unit: number.unit }),
    read: number.read,
  }
}

export const boolean = {
  schema: Type.Boolean(),
  accepts: 'true or false',
  read: (text: string) => (text === 'true' || text === 'false' ? text === 'true' : text),
}

/** Text that matches a pattern, or empty text, which turns the setting off. */
export function text(pattern: RegExp, accepts: string) {
  return refined((value) => value === '' || pattern.test(value), accepts)
}

/** Text that a function checks. */
function refined(isValid: (value: string) => boolean, accepts: string) {
  return {
    schema: Type.Refine(Type.String(), (value) => isValid(value as string)),
    accepts,
    read: asItIs,
  }
}

function asItIs(text: string): string {
  return text
}

export const hostName = refined(isHostName, 'an IP address or a host name, without port')

/** The path of a file, or empty text. */
export const filePath = refined((value) => value === '' || isPath(value), 'the path of a file')

/** A host name that a certificate can be for, or empty text. */
export const servername = refined(
  (value) => value === '' || isServername(value),
  'a host name, without a port, and not an IP address',
)

/** The value of a Host header. */
export const hostField = text(HOST_FIELD, 'a host name or an address, with or without a port')

/**
 * Length of the longest host name in characters. An encoded name has at most 255 bytes (RFC 1035 section 2.3.4), which
 * is two more than the characters of its text.
 */
const MAX_HOST_NAME_LENGTH = 253

function isHostName(host: string): boolean {
  if (isIP(host)) return true
  // A host whose last part is a number is meant as an IPv4 address. It is refused here because it is not a valid
  // address.
  const isAddress = /(^|\.)\d+$/.test(host)
  return host.length <= MAX_HOST_NAME_LENGTH && /^([\w-]{1,63}\.)*[\w-]{1,63}$/.test(host) && !isAddress
}

export const statuses = refined(
  (value) => value !== '' && isStatusList(value),
  'a list of statuses from 200 to 599, like 200-299,401',
)

export const failureStatuses = refined(
  (value) => isFailureList(value),
  'a list of statuses from 400 to 599, like 502-504, or nothing',
)

export const failureStatusesOrOff = refined(
  (value) => value === 'off' || (value !== '' && isFailureList(value)),
  '"off", or a list of statuses from 400 to 599, like 500,502-504',
)

function isFailureList(text: string): boolean {
  return isStatusList(text) && !/\b[23]\d\d\b/.test(text)
}

function isStatusList(text: string): boolean {
  try {
    statusesOf(text)
    return true
  } catch {
    return false
  }
}

export const trustedProxies = {
  schema: Type.Unsafe<TrustSetting>(Type.Refine(Type.Any(), (value) => isTrustSetting(value))),
  accepts: `true, false, a number of hops from 0 to ${MAX_TRUSTED_HOPS}, or a list of addresses and ranges like 10.0.0.0/8,::1`,
  read: (text: string) => {
    if (text === 'true' || text === 'false') return text === 'true'
    return /^\d+$/.test(text) ? Number(text) : text
  },
}

function isTrustSetting(value: unknown): boolean {
  if (typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 && value <= MAX_TRUSTED_HOPS
  const entries = typeof value === 'string' ? value.split(',') : value
  if (!Array.isArray(entries)) return false
  // Entries with digits or colons have to be IP addresses, because @fastify/proxy-addr would accept even "1.5" as one.
  const isEntry = (entry: unknown) =>
    typeof entry === 'string' && (isIP(entry.trim().split('/', 1)[0] as string) > 0 || !/[\d:]/.test(entry))
  if (!entries.every(isEntry)) return false
  try {
    trustOf(entries.map((entry) => entry.trim()))
    return true
  } catch {
    return false
  }
}

/** Largest percentage that a setting takes where 100 is no limit. */
const MAX_OVERLOAD_PERCENT = 10_000

export const overloadPercent = {
  schema: Type.Refine(
    Type.Integer({ minimum: 0, maximum: MAX_OVERLOAD_PERCENT }),
    (value) => value === 0 || value > 100,
  ),
  accepts: `a whole number of percent from 101 to ${MAX_OVERLOAD_PERCENT}, or 0 for any load`,
  unit: 'percent',
  read: percent.read,
}

export const affinitySetting = refined(
  isAffinity,
  '"off", "ip", "cookie", "cookie:NAME" or "header:NAME", where NAME is a name of a cookie or of a header field',
)

function isAffinity(value: string): boolean {
  if (value === 'off' || value === 'ip' || value === 'cookie') return true
  const [kind, name] = value.split(/:(.*)/s, 2) as [string, string | undefined]
  return (kind === 'cookie' || kind === 'header') && name !== undefined && isToken(name)
}

export const backendList = {
  // The schema accepts any array, because the registry checks the entries.
  schema: Type.Unsafe<readonly (string | BackendSpec)[]>(Type.Array(Type.Any())),
  accepts: 'a list like http://10.0.0.1:8080;weight=2;maxConnections=100;id=a,http://10.0.0.2:8080',
  read: readBackendList,
}
