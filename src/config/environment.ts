import { isLoopback } from '../proxy/http/loopback.js'
import { EntryError } from './backend-list.js'
import { SERVICE_ADDRESS, SERVICE_ADVICE } from './kubernetes.js'
import { refuse, refusePart, SettingError } from './setting-error.js'
import type { Setting } from './settings/setting.js'
import { accept, type SettingName, type Settings, settingNames, settings, variable } from './settings.js'
import { checkTogether } from './settings-together.js'

/**
 * Reads the settings of the stand-alone gateway from environment variables. An empty variable counts as not set.
 * @throws {SettingError} for the first value that is not acceptable
 */
export function parseConfig(env: Record<string, string | undefined>): Settings {
  const parsed = Object.fromEntries(
    settingNames.map((name) => [name, readVariable(name, env[variable(name)])]),
  ) as Settings
  checkTogether(parsed, variable)
  checkStore(parsed)
  // With a file, its own listeners are checked where it is read.
  if (parsed.configFile === '') checkAdminListener(parsed)
  else checkBackends(parsed)
  return parsed
}

function readVariable(name: SettingName, text: string | undefined): unknown {
  const setting: Setting = settings[name]
  if (text === undefined || text === '') return setting.default
  let value: unknown
  try {
    value = setting.type.read(text)
  } catch (error) {
    if (error instanceof EntryError) throw refusePart(setting, variable(name), error.entry, error.message)
    throw refuse(setting, variable(name), text, (error as Error).message)
  }
  const accepted = accept(name, value)
  if (accepted !== undefined) return accepted
  throw refuse(setting, variable(name), text, SERVICE_ADDRESS.test(text) ? SERVICE_ADVICE : '')
}

/** Checks that backends are not in the environment where the pools of a file have them. */
function checkBackends({ backends, configFile }: Settings): void {
  if (backends.length === 0) return
  throw new SettingError(
    'BACKENDS',
    `is not for a gateway with CONFIG_FILE, ${JSON.stringify(configFile)}, whose pools have the backends`,
  )
}

/** Checks that the state of the pools has one place. */
function checkStore({ store, stateFile }: Settings): void {
  if (store === '' || stateFile === '') return
  throw new SettingError(
    'STORE',
    `is not for a gateway with STATE_FILE, ${JSON.stringify(stateFile)}: the state of the pools is kept in one of them`,
  )
}

/**
 * Checks that the admin API has a token if other machines can reach it, and that it does not use the gateway's own
 * port.
 */
function checkAdminListener({ host, port, adminHost, adminPort, adminToken }: Settings): void {
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
