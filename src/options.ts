import {
  check,
  type PoolSettings,
  SettingError,
  type SettingName,
  settingNames,
  settings,
} from './settings.js'

/** Options of the plugin. Each setting is optional and has the default of its environment variable. */
export interface LeastwiseOptions extends Partial<PoolSettings> {
  /** Tells pools of one app apart: `app.balancers.get(name)`. `default` by default. */
  name?: string
  /** Path under which requests are proxied, and which is taken off. Everything by default. */
  prefix?: string
  /** Put in the place of the prefix. Nothing by default. */
  rewritePrefix?: string
  /** The admin API as routes of this app; there is none by default. */
  admin?: {
    /** `/admin` by default. */
    prefix?: string
    /** Bearer token. Required: the app's port is open to whoever reaches it. */
    token: string | undefined
  }
  /** Whether each proxied request is logged in one line, besides what the app logs itself. */
  accessLog?: boolean
}

export interface ParsedOptions {
  name: string
  prefix: string
  rewritePrefix: string
  admin: { prefix: string; token: string } | undefined
  accessLog: boolean
  settings: PoolSettings
  /** Options that were given and have no effect in this version. */
  withoutEffect: string[]
}

const ownOptions = ['name', 'prefix', 'rewritePrefix', 'admin', 'accessLog']

/** @throws {SettingError} for the first option that is unknown or not acceptable */
export function parseOptions(given: LeastwiseOptions): ParsedOptions {
  const poolSettings = settingNames.filter((name) => settings[name].scope === 'pool')
  for (const option of Object.keys(given)) {
    if (!ownOptions.includes(option) && !poolSettings.includes(option as SettingName)) {
      throw new SettingError(`leastwise: option "${option}"`, 'is not known')
    }
  }
  const withoutEffect: string[] = []
  const values = poolSettings.map((name) => {
    const value = given[name as keyof LeastwiseOptions]
    if (value === undefined) return [name, settings[name].default]
    const setting = settings[name]
    if ('pending' in setting && setting.pending) withoutEffect.push(name)
    return [name, check(name, value, `leastwise: option "${name}"`)]
  })
  return {
    name: string('name', given.name ?? 'default', /./),
    prefix: path('prefix', given.prefix ?? ''),
    rewritePrefix: path('rewritePrefix', given.rewritePrefix ?? ''),
    admin: given.admin && {
      prefix: path('admin.prefix', given.admin.prefix ?? '/admin'),
      token: token(given.admin.token),
    },
    accessLog: boolean('accessLog', given.accessLog ?? false),
    settings: Object.fromEntries(values) as PoolSettings,
    withoutEffect,
  }
}

function token(given: unknown): string {
  if (given === undefined || given === '') {
    throw new SettingError('leastwise: option "admin.token"', 'is required: the admin API has no other lock')
  }
  return check('adminToken', given, 'leastwise: option "admin.token"')
}

/** A path that can be put before another: it starts with a slash and does not end with one. */
function path(option: string, given: unknown): string {
  return string(option, given, /^$|^\//).replace(/\/+$/, '')
}

function boolean(option: string, given: unknown): boolean {
  if (typeof given === 'boolean') return given
  throw new SettingError(`leastwise: option "${option}"`, `does not accept ${JSON.stringify(given)}`)
}

function string(option: string, given: unknown, pattern: RegExp): string {
  if (typeof given === 'string' && pattern.test(given)) return given
  throw new SettingError(`leastwise: option "${option}"`, `does not accept ${JSON.stringify(given)}`)
}
