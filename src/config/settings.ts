import type { Static, TSchema } from 'typebox'
import Value from 'typebox/value'
import { type HealthInitial, HOST_FIELD, healthInitials, MAX_CONNECTIONS } from '../balancer/backends/spec.js'
import { type PanicMode, panicModes } from '../balancer/health/panic.js'
import { type PolicyName, policyNames } from '../balancer/selection/policies/index.js'
import type { UnderscoreHeaders } from '../proxy/http/fields.js'
import {
  backendList,
  bytes,
  choice,
  failureStatuses,
  failureStatusesOrOff,
  hostHeader,
  hostName,
  integer,
  type Kind,
  milliseconds,
  percent,
  statuses,
  text,
  trustedProxies,
  wordOr,
} from './setting-types.js'

/** Bytes of a head for which there may be room: each connection to a backend may take that much memory. */
const MAX_RESPONSE_HEAD_BYTES = 16 * 1024 * 1024

interface Setting<S extends TSchema = TSchema> extends Kind<S> {
  default: Static<S>
  /** `pool`: also an option of the plugin. `gateway`: of the stand-alone gateway only. */
  scope: 'pool' | 'gateway'
  meaning: string
  /** Not to be repeated in messages. */
  secret?: boolean
}

function define<const C extends Setting['scope'], S extends TSchema>(
  scope: C,
  kind: Kind<S>,
  fallback: Static<S>,
  meaning: string,
  extra: Pick<Setting, 'secret'> = {},
): Setting<S> & { scope: C } {
  return { ...kind, scope, default: fallback, meaning, ...extra }
}

/**
 * Every setting there is: the one place for type, check, default and meaning. The environment has them in
 * capitals (`HEALTH_PATH`), the plugin's options as they are here.
 */
export const settings = {
  host: define('gateway', hostName, '127.0.0.1', 'where traffic enters'),
  port: define('gateway', integer(0, 65_535), 3000, 'its port; 0 for any free one'),
  backends: define('pool', backendList, [], 'backends registered at the start'),
  policy: define('pool', choice<PolicyName>(...policyNames), 'least-connections', 'how a backend is chosen'),
  adminHost: define('gateway', hostName, '127.0.0.1', 'where the admin API listens'),
  adminPort: define('gateway', wordOr(integer(0, 65_535), 'off'), 3001, 'its port; "off" for no admin API'),
  adminToken: define(
    'gateway',
    text(/^[\x21-\x7e]+$/, 'printable ASCII without blanks'),
    '',
    'bearer token of the admin API; required where ADMIN_HOST is not loopback',
    { secret: true },
  ),
  stateFile: define('gateway', text(/^[^\0]+$/, 'a path'), '', 'where registered backends are kept'),
  healthPath: define(
    'pool',
    text(/^\/[\x21\x22\x24-\x7e]*$/, 'a path that starts with /'),
    '',
    'path of the active check; empty for none',
  ),
  healthPort: define('pool', integer(0, 65_535, '', "for the backend's own"), 0, 'port that checks ask'),
  healthHost: define(
    'pool',
    text(HOST_FIELD, 'a host name or an address, with or without a port'),
    '',
    "Host that checks say; empty for that of the backend's requests",
  ),
  healthInitial: define(
    'pool',
    choice<HealthInitial>(...healthInitials),
    'usable',
    'whether a backend is used before its first check has passed',
  ),
  healthInterval: define('pool', milliseconds(1), 2000, 'time between two checks'),
  healthTimeout: define('pool', milliseconds(1), 1000, 'how long a check may take'),
  healthStatus: define('pool', statuses, '200-399', 'statuses that pass a check'),
  healthRise: define('pool', integer(1, 1000), 2, 'passed checks in a row that make healthy'),
  healthFall: define('pool', integer(1, 1000), 3, 'failed checks in a row that make unhealthy'),
  ejectConsecutive: define('pool', integer(1, 1000), 5, 'failures in a row that eject'),
  ejectBase: define('pool', milliseconds(1), 10_000, 'first ejection'),
  ejectMax: define('pool', milliseconds(1), 300_000, 'longest ejection'),
  ejectMaxPercent: define('pool', percent, 50, 'share of the pool that may be out at once'),
  failureStatus: define('pool', failureStatusesOrOff, '500,502-504', 'answers that count as failures'),
  failureDecay: define(
    'pool',
    milliseconds(0, 'for no penalty'),
    10_000,
    'time in which the penalty of failures falls to a third',
  ),
  panic: define('pool', choice<PanicMode>(...panicModes), 'ejected', 'whom to fall back on'),
  panicThreshold: define('pool', percent, 0, 'usable backends below which to fall back'),
  maxConnections: define(
    'pool',
    integer(0, MAX_CONNECTIONS, 'requests', 'for no limit'),
    0,
    'requests in flight on one backend',
  ),
  queueLimit: define('pool', integer(0, 1_000_000), 1000, 'requests that may wait for a backend'),
  queueTimeout: define('pool', milliseconds(0), 5000, 'how long they may wait'),
  slowStart: define('pool', milliseconds(0, 'for none'), 10_000, 'ramp of a new backend'),
  tunnelWeight: define('pool', percent, 0, 'what an upgraded connection without traffic counts in a choice'),
  connectTimeout: define('pool', milliseconds(1), 1000, 'to connect to a backend'),
  responseTimeout: define(
    'pool',
    milliseconds(0, 'for none'),
    30_000,
    'from the end of the request to the first byte of its answer',
  ),
  bodyTimeout: define(
    'pool',
    milliseconds(0, 'for none'),
    60_000,
    'between two chunks of a body, in either direction; streams of events may be silent',
  ),
  hedge: define('pool', wordOr(milliseconds(1), 'off', 'p95'), 'off', 'when to try a second backend'),
  hedgeBudget: define('pool', percent, 5, 'second tries, of all requests'),
  retries: define(
    'pool',
    integer(0, 100, 'tries', 'for none'),
    1,
    'further tries on others, none of any kind at 0',
  ),
  retryStatus: define('pool', failureStatuses, '', 'answers that are worth another try; empty for none'),
  retryBudget: define('pool', percent, 20, 'further tries, of all requests'),
  drainTimeout: define('pool', milliseconds(0), 30_000, 'how long in-flight requests may take on a drain'),
  shutdownDelay: define(
    'gateway',
    milliseconds(0, 'for none'),
    0,
    'how long connections are accepted after SIGTERM, while readiness fails',
  ),
  shutdownTimeout: define(
    'gateway',
    milliseconds(0),
    30_000,
    'how long in-flight requests may take after that',
  ),
  maxEventLoopDelay: define('pool', milliseconds(0, 'for any'), 1000, 'above it requests are shed'),
  maxHeapBytes: define('pool', bytes('for any'), 0, 'above it requests are shed'),
  hostHeader: define('pool', hostHeader, 'client', 'the Host a backend sees'),
  headersTimeout: define('gateway', milliseconds(1), 10_000, "for a client to send a request's head"),
  keepAliveTimeout: define('gateway', milliseconds(1), 72_000, 'how long an idle connection stays'),
  maxBody: define('pool', bytes('for any'), 0, 'largest request body'),
  maxResponseHeaders: define(
    'pool',
    integer(1024, MAX_RESPONSE_HEAD_BYTES, 'bytes'),
    65_536,
    "largest head of a backend's answer",
  ),
  trustProxy: define(
    'pool',
    trustedProxies,
    false,
    'which proxies are believed what they say of a request: all, none, a number of hops, or a list',
  ),
  underscoreHeaders: define(
    'pool',
    choice<UnderscoreHeaders>('drop', 'pass'),
    'drop',
    'request fields with an underscore in their name',
  ),
  via: define('pool', choice('on', 'off'), 'on', 'whether Via says that a message came through here'),
  logLevel: define(
    'gateway',
    choice('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    'info',
    'of pino',
  ),
  logFormat: define('gateway', choice('json', 'pretty'), 'json', 'of log lines; pretty is for development'),
} satisfies Record<string, Setting>

type Table = typeof settings

export type SettingName = keyof Table

export type Settings = { [N in SettingName]: Static<Table[N]['schema']> }

/** The settings of one pool, which are the ones that the plugin takes as options. */
export type PoolSettings = {
  [N in SettingName as Table[N]['scope'] extends 'gateway' ? never : N]: Settings[N]
}

export const settingNames = Object.keys(settings) as SettingName[]

export const poolSettingNames = settingNames.filter((name) => settings[name].scope === 'pool')

/** The name of a setting in the environment. */
export function variable(name: SettingName): string {
  return name.replace(/[A-Z]/g, '_$&').toUpperCase()
}

/** A value is not acceptable. The message is one line that names setting, value and what is accepted. */
export class SettingError extends Error {
  /** As the user wrote it: an environment variable or an option. */
  readonly setting: string

  constructor(setting: string, message: string) {
    super(`${setting} ${message}`)
    this.name = 'SettingError'
    this.setting = setting
  }
}

/**
 * @throws {SettingError} where `value` is not one of the kind that `name` takes
 */
export function check<N extends SettingName>(name: N, value: unknown, calledName: string): Settings[N] {
  const accepted = accept(name, value)
  if (accepted !== undefined) return accepted
  throw refuse(settings[name], calledName, value)
}

/** The value, where it is one that `name` takes; undefined otherwise. */
export function accept<N extends SettingName>(name: N, value: unknown): Settings[N] | undefined {
  const { schema }: Setting = settings[name]
  return Value.Check(schema, value) ? (value as Settings[N]) : undefined
}

/**
 * What no time can say of itself.
 * @param called how the user calls a setting
 * @throws {SettingError}
 */
export function checkTimes(
  { ejectBase, ejectMax }: Pick<Settings, 'ejectBase' | 'ejectMax'>,
  called: (name: SettingName) => string,
): void {
  if (ejectMax >= ejectBase) return
  const accepts = `it takes the first ejection's time, ${ejectBase}, or more`
  throw new SettingError(called('ejectMax'), `does not accept ${ejectMax}: ${accepts}`)
}

/**
 * What the first check can decide only where there are checks.
 * @param called how the user calls a setting
 * @throws {SettingError}
 */
export function checkHealthInitial(
  { healthInitial, healthPath }: Pick<Settings, 'healthInitial' | 'healthPath'>,
  called: (name: SettingName) => string,
): void {
  if (healthInitial === 'usable' || healthPath !== '') return
  throw new SettingError(
    called('healthInitial'),
    `does not accept "${healthInitial}": ${called('healthPath')} is empty, and without checks no backend would ever be used`,
  )
}

export function refuse(setting: Setting, calledName: string, value: unknown, why = ''): SettingError {
  // JSON has no word for Infinity.
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value))
  return refusePart(setting, calledName, setting.secret ? 'its value' : presentable(text), why)
}

/** @param part of the value that is wrong, as it can be shown */
export function refusePart(setting: Setting, calledName: string, part: string, why: string): SettingError {
  const reason = why && ` (${presentable(why)})`
  return new SettingError(
    calledName,
    `does not accept ${presentable(part)}${reason}: it takes ${setting.accepts}`,
  )
}

/** One line, of bearable length, without the password of a URL. */
export function presentable(text: string): string {
  const masked = text.replace(/\/\/.*@/s, '//***@').replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ')
  return masked.length > 200 ? `${masked.slice(0, 200)}…` : masked
}
