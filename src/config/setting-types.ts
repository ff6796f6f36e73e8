import { isIP } from 'node:net'
import { type TSchema, Type } from 'typebox'
import { type BackendSpec, HOST_FIELD } from '../balancer/backends/spec.js'
import { MAX_TIMER_MS } from '../balancer/time/clock.js'
import { statusesOf } from '../proxy/http/status-ranges.js'
import { MAX_TRUSTED_HOPS, type TrustSetting, trustOf } from '../proxy/http/trust.js'
import { readBackendList } from './backend-list.js'

/** What values a setting takes, how one is read from text, and how people are told. */
export interface SettingType<S extends TSchema = TSchema> {
  schema: S
  /** What is accepted, as the end of the sentence "it takes …". */
  accepts: string
  /** What a number counts, in the plural. */
  unit?: string
  /** Turns the text of an environment variable into a value for `schema` to judge; may throw. */
  read(text: string): unknown
}

/**
 * A whole number.
 * @param zero what 0 means, where that is something else than a very small number
 */
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
    // Number() would take '', ' 7 ', '1e3' and '0x10', too.
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

/** A number of some type, or one of some words. */
export function wordOr<const T extends string>(number: SettingType, ...words: readonly T[]) {
  return {
    schema: Type.Unsafe<T | number>(Type.Union([number.schema, Type.Enum([...words])])),
    accepts: `${words.map((word) => `"${word}"`).join(' or ')}, or ${number.accepts}`,
    ...(number.unit && { unit: number.unit }),
    read: number.read,
  }
}

/** Text of one form; empty where the setting is off. */
export function text(pattern: RegExp, accepts: string) {
  return refined((value) => value === '' || pattern.test(value), accepts)
}

/** Text that a function judges. */
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

/** What a Host field may say. */
export const hostField = text(HOST_FIELD, 'a host name or an address, with or without a port')

/** Letters of the longest host name: RFC 1035 section 2.3.4 allows 255 bytes, and its encoding needs two of them. */
const MAX_HOST_NAME_LENGTH = 253

function isHostName(host: string): boolean {
  if (isIP(host)) return true
  // What ends in a number is meant as an IPv4 address, and is none.
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
  // @fastify/proxy-addr would take "1.5" for an address, too.
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

export const backendList = {
  // What is in it, the registry judges.
  schema: Type.Unsafe<readonly (string | BackendSpec)[]>(Type.Array(Type.Any())),
  accepts: 'a list like http://10.0.0.1:8080;weight=2;maxConnections=100;id=a,http://10.0.0.2:8080',
  read: readBackendList,
}
