import type { Static } from 'typebox'
import Value from 'typebox/value'
import { refuse } from './setting-error.js'
import { affinity } from './settings/affinity.js'
import { backends } from './settings/backends.js'
import { checks } from './settings/checks.js'
import { configFile } from './settings/config-file.js'
import { failures } from './settings/failures.js'
import { fleet, fleetCounts } from './settings/fleet.js'
import { clientConnections, listeners } from './settings/listeners.js'
import { loadShedding } from './settings/load-shedding.js'
import { log } from './settings/log.js'
import { messages } from './settings/messages.js'
import { queue } from './settings/queue.js'
import { retriesAndHedges } from './settings/retries-and-hedges.js'
import type { Group, Setting } from './settings/setting.js'
import { shutdown } from './settings/shutdown.js'
import { threads } from './settings/threads.js'
import { timeouts } from './settings/timeouts.js'
import { upstreamConnections } from './settings/upstream-connections.js'
import { upstreamTls } from './settings/upstream-tls.js'

/**
 * Groups of settings that each pool has, in the order of the documents. The plugin accepts these settings as options.
 */
export const poolGroups: readonly Group[] = [
  backends,
  affinity,
  fleetCounts,
  upstreamConnections,
  upstreamTls,
  queue,
  checks,
  failures,
  timeouts,
  retriesAndHedges,
  messages,
  loadShedding,
]

/**
 * All groups of settings, in the order of `.env.example`. Settings that do not belong to a pool exist only in the
 * stand-alone gateway.
 */
export const groups: readonly Group[] = [
  configFile,
  listeners,
  threads,
  ...poolGroups,
  clientConnections,
  shutdown,
  fleet,
  log,
]

const poolSettings = {
  ...backends.settings,
  ...affinity.settings,
  ...fleetCounts.settings,
  ...upstreamConnections.settings,
  ...upstreamTls.settings,
  ...queue.settings,
  ...checks.settings,
  ...failures.settings,
  ...timeouts.settings,
  ...retriesAndHedges.settings,
  ...messages.settings,
  ...loadShedding.settings,
}

/**
 * All settings, collected from the files in `settings/`, which are the only place for the type, default and meaning of
 * each. The environment variable of a setting has its name in capitals (`HEALTH_PATH`); the plugin's option has the
 * name as it is here. From this table `npm run generate` writes `.env.example`, the reference page and the types of the
 * options.
 */
export const settings = {
  ...configFile.settings,
  ...listeners.settings,
  ...threads.settings,
  ...poolSettings,
  ...clientConnections.settings,
  ...shutdown.settings,
  ...fleet.settings,
  ...log.settings,
}

type Table = typeof settings

export type SettingName = keyof Table

export type Settings = { [N in SettingName]: Static<Table[N]['type']['schema']> }

/** The settings of one pool, which the plugin accepts as options. */
export type PoolSettings = Pick<Settings, keyof typeof poolSettings>

/**
 * The type of the option for a setting of a pool. It is `never` for a name that is not a setting any more, so that the
 * generated file, which still has that name, compiles until it is generated again.
 */
export type OptionOf<N extends string> = N extends keyof PoolSettings ? PoolSettings[N] | undefined : never

export const settingNames = Object.keys(settings) as SettingName[]

export const poolSettingNames = Object.keys(poolSettings) as (keyof PoolSettings)[]

/** Returns the name of the environment variable of a setting. */
export function variable(name: string): string {
  return name.replace(/[A-Z]/g, '_$&').toUpperCase()
}

/**
 * Returns a value if its setting accepts it.
 * @param label name of the setting in the user's terms: an environment variable or an option
 * @throws {SettingError} if the setting does not accept the value
 */
export function check<N extends SettingName>(name: N, value: unknown, label: string): Settings[N] {
  const accepted = accept(name, value)
  if (accepted !== undefined) return accepted
  throw refuse(settings[name], label, value)
}

/** Returns a value if its setting accepts it; undefined otherwise. */
export function accept<N extends SettingName>(name: N, value: unknown): Settings[N] | undefined {
  const { type }: Setting = settings[name]
  return Value.Check(type.schema, value) ? (value as Settings[N]) : undefined
}
