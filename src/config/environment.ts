import { isLoopback } from '../proxy/http/loopback.js'
import { EntryError } from './backend-list.js'
import {
  accept,
  checkHealthInitial,
  checkTimes,
  refuse,
  refusePart,
  SettingError,
  type SettingName,
  type Settings,
  settingNames,
  settings,
  variable,
} from './settings.js'

/** What Kubernetes puts into the environment of every container for a Service called `admin`: `ADMIN_PORT`. */
const ofService = /^(tcp|udp|sctp):\/\/[\d.]+/
const SERVICE =
  'Kubernetes sets this for a Service of that name; enableServiceLinks: false in the pod ends that'

/**
 * Reads the settings of the stand-alone gateway. An empty variable counts as one that is not set.
 * @throws {SettingError} for the first value that is not acceptable
 */
export function parseConfig(env: Record<string, string | undefined>): Settings {
  const read = (name: SettingName) => {
    const setting = settings[name]
    const text = env[variable(name)]
    if (text === undefined || text === '') return setting.default
    let value: unknown
    try {
      value = setting.read(text)
    } catch (error) {
      if (error instanceof EntryError) throw refusePart(setting, variable(name), error.entry, error.message)
      throw refuse(setting, variable(name), text, (error as Error).message)
    }
    const accepted = accept(name, value)
    if (accepted !== undefined) return accepted
    throw refuse(setting, variable(name), text, ofService.test(text) ? SERVICE : '')
  }
  const parsed = Object.fromEntries(settingNames.map((name) => [name, read(name)])) as Settings
  checkTogether(parsed)
  return parsed
}

/** What no setting can say of itself. */
function checkTogether(parsed: Settings): void {
  const { host, port, adminHost, adminPort, adminToken } = parsed
  checkTimes(parsed, variable)
  checkHealthInitial(parsed, variable)
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
