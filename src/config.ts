import { isLoopback } from './adapters/loopback.js'
import {
  check,
  checkTimes,
  refuse,
  SettingError,
  type SettingName,
  type Settings,
  settingNames,
  settings,
  variable,
} from './settings.js'

export interface Config {
  settings: Settings
  /** Variables that were changed and have no effect in this version. */
  withoutEffect: string[]
}

/**
 * Reads the settings of the stand-alone gateway. An empty variable counts as one that is not set.
 * @throws {SettingError} for the first value that is not acceptable
 */
export function parseConfig(env: Record<string, string | undefined>): Config {
  const withoutEffect: string[] = []
  const read = (name: SettingName) => {
    const setting = settings[name]
    const text = env[variable(name)]
    if (text === undefined || text === '') return setting.default
    let value: unknown
    try {
      value = setting.read(text)
    } catch (error) {
      throw refuse(setting, variable(name), text, (error as Error).message)
    }
    if ('pending' in setting && value !== setting.default) withoutEffect.push(variable(name))
    return check(name, value, variable(name), text)
  }
  const parsed = Object.fromEntries(settingNames.map((name) => [name, read(name)])) as Settings
  checkTogether(parsed)
  return { settings: parsed, withoutEffect }
}

/** What no setting can say of itself. */
function checkTogether(parsed: Settings): void {
  const { host, port, adminHost, adminPort, adminToken } = parsed
  checkTimes(parsed, variable)
  if (adminPort === 'off') return
  if (adminToken === '' && !isLoopback(adminHost)) {
    throw new SettingError(
      'ADMIN_TOKEN',
      `is required where ADMIN_HOST is not a loopback address, and "${adminHost}" is none`,
    )
  }
  if (adminPort === port && port !== 0 && adminHost === host) {
    throw new SettingError('ADMIN_PORT', `does not accept ${adminPort}: PORT is the same`)
  }
}
