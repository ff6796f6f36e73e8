import { optionLabel, refuseUnknown } from './option-error.js'
import {
  checkBackends,
  readBoolean,
  readConstraints,
  readErrorsBy,
  readMethods,
  readMetricsRegistry,
  readPath,
  readPaths,
  readStore,
  readString,
  readToken,
} from './option-values.js'
import type { LeastwiseOptions, ParsedOptions } from './plugin-options.js'
import { check, type PoolSettings, poolSettingNames, settings } from './settings.js'
import { checkTogether } from './settings-together.js'
import { readShared, readWorkers } from './thread-options.js'

/**
 * Options of the plugin that are not settings, with their defaults. A default is undefined if the option is off by
 * default, or if the default depends on the app. The compiler demands an entry for each such option.
 */
export const ownDefaults = {
  name: 'default',
  prefix: '',
  rewritePrefix: '',
  internalRewriteLocationHeader: true,
  methods: undefined,
  constraints: undefined,
  errors: 'own',
  foreignUpgrades: undefined,
  admin: undefined,
  accessLog: false,
  metrics: undefined,
  store: undefined,
  workers: 0,
  shared: undefined,
} as const satisfies { [O in Exclude<keyof LeastwiseOptions, keyof PoolSettings>]-?: LeastwiseOptions[O] }

export const DEFAULT_ADMIN_PREFIX = '/admin'

/**
 * Checks the options of the plugin and fills in the defaults.
 * @param app the app to which the proxied routes are added
 * @throws {SettingError} for the first option that is unknown or not acceptable
 */
export function parseOptions(
  given: LeastwiseOptions,
  app: { hasConstraintStrategy(name: string): boolean },
): ParsedOptions {
  refuseUnknown(given, [...Object.keys(ownDefaults), ...poolSettingNames])
  if (given.admin) refuseUnknown(given.admin, ['prefix', 'token'], 'admin.')
  return {
    settings: readPoolSettings(given),
    name: readString('name', given.name ?? ownDefaults.name, /./, 'a name'),
    prefix: readPath('prefix', given.prefix ?? ownDefaults.prefix),
    rewritePrefix: readPath('rewritePrefix', given.rewritePrefix ?? ownDefaults.rewritePrefix),
    methods: readMethods(given.methods),
    constraints: readConstraints(given.constraints ?? {}, (name) => app.hasConstraintStrategy(name)),
    errors: readErrorsBy(given.errors ?? ownDefaults.errors),
    foreignUpgrades: readPaths('foreignUpgrades', given.foreignUpgrades),
    internalRewriteLocationHeader: readBoolean(
      'internalRewriteLocationHeader',
      given.internalRewriteLocationHeader ?? ownDefaults.internalRewriteLocationHeader,
    ),
    admin: given.admin && {
      prefix: readPath('admin.prefix', given.admin.prefix ?? DEFAULT_ADMIN_PREFIX),
      token: readToken(given.admin.token),
    },
    accessLog: readBoolean('accessLog', given.accessLog ?? ownDefaults.accessLog),
    metrics: readMetricsRegistry(given.metrics),
    store: readStore(given.store),
    workers: readWorkers(given.workers ?? ownDefaults.workers),
    shared: readShared(given),
    trustProxy: given.trustProxy,
  }
}

/** Checks each setting of the pool by itself, and then all of them together. @throws {SettingError} */
function readPoolSettings(given: LeastwiseOptions): PoolSettings {
  checkBackends(given.backends ?? [])
  const values = poolSettingNames.map((name) => {
    // The cast is needed because a new setting is missing in the generated types until they are generated again.
    const value = given[name as keyof LeastwiseOptions]
    return [name, value === undefined ? settings[name].default : check(name, value, optionLabel(name))]
  })
  const parsed = Object.fromEntries(values) as PoolSettings
  checkTogether(parsed, optionLabel)
  return parsed
}
