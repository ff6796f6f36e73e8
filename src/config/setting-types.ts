import { isIP } from 'node:net'
import { type TSchema, Type } from 'typebox'
import type { BackendSpec, HostHeader } from '../balancer/backends/spec.js'
import { statusesOf } from '../proxy/http/status-ranges.js'
import { type TrustSetting, trustOf } from '../proxy/http/trust.js'
import { readBackendList } from './backend-list.js'

/** A kind of value: what it is, how it is read from text, and how people are told. */
export interface Kind<S extends TSchema = TSchema> {
  schema: S
  accepts: string
  /** Turns the text of an environment variable into a value for `schema` to judge; may throw. */
  read(text: string): unknown
}

export function integer(
  minimum: number,
  maximum: number,
  unit = '',
  zero = '',
): Kind<ReturnType<typeof Type.Integer>> {
  const range = `a whole number${unit && ` of ${unit}`} from ${minimum} to ${maximum}`
  return {
    schema: Type.Integer({ minimum, maximum }),
    accepts: zero ? `${range}, 0 ${zero}` : range,
    // Number() would take '', ' 7 ', '1e3' and '0x10', too.
    read: (text) => (/^\d+$/.test(text) ? Number(text) : text),
  }
}

// `setTimeout` takes no more and would fire at once.
export const milliseconds = (minimum: number, zero = '') =>
  integer(minimum, 2_147_483_647, 'milliseconds', zero)
export const percent = integer(0, 100, 'percent')
export const bytes = (zero: string) => integer(0, Number.MAX_SAFE_INTEGER, 'bytes', zero)

export function choice<const T extends string>(...values: readonly T[]) {
  return {
    schema: Type.Unsafe<T>(Type.Enum([...values])),
    accepts: `one of ${values.join(', ')}`,
    read: (text: string) => text,
  }
}

/** A number of `kind`, or one of some words. */
export function wordOr<const T extends string>(kind: Kind, ...words: readonly T[]) {
  return {
    schema: Type.Unsafe<T | number>(Type.Union([kind.schema, Type.Enum([...words])])),
    accepts: `${words.map((word) => `"${word}"`).join(' or ')}, or ${kind.accepts}`,
    read: kind.read,
  }
}

export const trustedProxies = {
  schema: Type.Unsafe<TrustSetting>(Type.Refine(Type.Any(), (value) => isTrustSetting(value))),
  accepts:
    'true, false, a number of hops from 0 to 100, or a list of addresses and ranges like 10.0.0.0/8,::1',
  read: (text: string) => {
    if (text === 'true' || text === 'false') return text === 'true'
    return /^\d+$/.test(text) ? Number(text) : text
  },
}

function isTrustSetting(value: unknown): boolean {
  if (typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 && value <= 100
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

export function text(pattern: RegExp, accepts: string) {
  return {
    schema: Type.Refine(Type.String(), (value) => value === '' || pattern.test(value as string)),
    accepts,
    read: (value: string) => value,
  }
}

export const hostName = {
  schema: Type.Refine(Type.String(), (value) => isHost(value as string)),
  accepts: 'an IP address or a host name, without port',
  read: (value: string) => value,
}

function isHost(host: string): boolean {
  if (isIP(host)) return true
  // What ends in a number is meant as an IPv4 address, and is none.
  return host.length <= 253 && /^([\w-]{1,63}\.)*[\w-]{1,63}$/.test(host) && !/(^|\.)\d+$/.test(host)
}

export const statuses = {
  schema: Type.Refine(Type.String(), (value) => value !== '' && isListOfStatuses(value as string)),
  accepts: 'a list of statuses from 200 to 599, like 200-299,401',
  read: (value: string) => value,
}

export const failureStatuses = {
  schema: Type.Refine(Type.String(), (value) => isListOfFailures(value as string)),
  accepts: 'a list of statuses from 400 to 599, like 502-504, or nothing',
  read: (value: string) => value,
}

export const failureStatusesOrOff = {
  schema: Type.Refine(
    Type.String(),
    (value) => value === 'off' || (value !== '' && isListOfFailures(value as string)),
  ),
  accepts: '"off", or a list of statuses from 400 to 599, like 500,502-504',
  read: (value: string) => value,
}

function isListOfFailures(text: string): boolean {
  return isListOfStatuses(text) && !/\b[23]\d\d\b/.test(text)
}

function isListOfStatuses(text: string): boolean {
  try {
    statusesOf(text)
    return true
  } catch {
    return false
  }
}

export const hostHeader = choice<HostHeader>('client', 'backend')

export const backendList = {
  // What is in it, the registry judges.
  schema: Type.Unsafe<(string | BackendSpec)[]>(Type.Array(Type.Any())),
  accepts: 'a list like http://10.0.0.1:8080;weight=2;maxConnections=100;id=a,http://10.0.0.2:8080',
  read: readBackendList,
}
