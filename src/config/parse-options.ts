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

/** Names of the options that are no settings; the compiler asks for each. */
const ownOptions = Object.keys({
  name: true,
  prefix: true,
  rewritePrefix: true,
  methods: true,
  constraints: true,
  errors: true,
  foreignUpgrades: true,
  internalRewriteLocationHeader: true,
  admin: true,
  accessLog: true,
  metrics: true,
  store: true,
} satisfies Record<Exclude<keyof LeastwiseOptions, keyof PoolSettings>, true>)

/**
 * Checks the options of the plugin and puts defaults in the place of what was left out.
 * @param app where routes are to be added
 * @throws {SettingError} for the first option that is unknown or not acceptable
 */
export function parseOptions(
  given: LeastwiseOptions,
  app: { hasConstraintStrategy(name: string): boolean },
): ParsedOptions {
  refuseUnknown(given, [...ownOptions, ...poolSettingNames])
  if (given.admin) refuseUnknown(given.admin, ['prefix', 'token'], 'admin.')
  const settings = poolSettings(given)
  return {
    name: string('name', given.name ?? 'default', /./, 'a name'),
    prefix: path('prefix', given.prefix ?? ''),
    rewritePrefix: path('rewritePrefix', given.rewritePrefix ?? ''),
    methods: methods(given.methods),
    constraints: constraints(given.constraints ?? {}, (name) => app.hasConstraintStrategy(name)),
    errors: errorsBy(given.errors ?? 'own'),
    foreignUpgrades: paths('foreignUpgrades', given.foreignUpgrades),
    internalRewriteLocationHeader: boolean(
      'internalRewriteLocationHeader',
      given.internalRewriteLocationHeader ?? true,
    ),
    admin: given.admin && {
      prefix: path('admin.prefix', given.admin.prefix ?? '/admin'),
      token: token(given.admin.token),
    },
    accessLog: boolean('accessLog', given.accessLog ?? false),
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
