import { optionLabel, refuseUnknown } from './option-error.js'
import {
  boolean,
  checkBackends,
  constraints,
  errorsBy,
  methods,
  metricsRegistry,
  path,
  paths,
  store,
  string,
  token,
} from './option-values.js'
import type { LeastwiseOptions, ParsedOptions } from './plugin-options.js'
import { checkPairs } from './setting-pairs.js'
import { check, type PoolSettings, poolSettingNames, settings } from './settings.js'

/**
 * Options that are no settings, with their defaults; undefined where there is none, or where the default depends on the app.
 * The compiler asks for each of them.
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
} as const satisfies { [O in Exclude<keyof LeastwiseOptions, keyof PoolSettings>]-?: LeastwiseOptions[O] }

export const DEFAULT_ADMIN_PREFIX = '/admin'

/**
 * Checks the options of the plugin and puts defaults in the place of what was left out.
 * @param app where routes are to be added
 * @throws {SettingError} for the first option that is unknown or not acceptable
 */
export function parseOptions(
  given: LeastwiseOptions,
  app: { hasConstraintStrategy(name: string): boolean },
): ParsedOptions {
  refuseUnknown(given, [...Object.keys(ownDefaults), ...poolSettingNames])
  if (given.admin) refuseUnknown(given.admin, ['prefix', 'token'], 'admin.')
  const settings = poolSettings(given)
  return {
    name: string('name', given.name ?? ownDefaults.name, /./, 'a name'),
    prefix: path('prefix', given.prefix ?? ownDefaults.prefix),
    rewritePrefix: path('rewritePrefix', given.rewritePrefix ?? ownDefaults.rewritePrefix),
    methods: methods(given.methods),
    constraints: constraints(given.constraints ?? {}, (name) => app.hasConstraintStrategy(name)),
    errors: errorsBy(given.errors ?? ownDefaults.errors),
    foreignUpgrades: paths('foreignUpgrades', given.foreignUpgrades),
    internalRewriteLocationHeader: boolean(
      'internalRewriteLocationHeader',
      given.internalRewriteLocationHeader ?? ownDefaults.internalRewriteLocationHeader,
    ),
    admin: given.admin && {
      prefix: path('admin.prefix', given.admin.prefix ?? DEFAULT_ADMIN_PREFIX),
      token: token(given.admin.token),
    },
    accessLog: boolean('accessLog', given.accessLog ?? ownDefaults.accessLog),
    metrics: metricsRegistry(given.metrics),
    store: store(given.store),
    trustProxy: given.trustProxy,
    settings,
  }
}

function poolSettings(given: LeastwiseOptions): PoolSettings {
  checkBackends(given.backends ?? [])
  const values = poolSettingNames.map((name) => {
    // A new setting is not among the options' types before they are generated again.
    const value = given[name as keyof LeastwiseOptions]
    return [name, value === undefined ? settings[name].default : check(name, value, optionLabel(name))]
  })
  const parsed = Object.fromEntries(values) as PoolSettings
  checkPairs(parsed, optionLabel)
  return parsed
}
