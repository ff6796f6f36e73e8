import { SettingError } from './setting-error.js'
import type { PoolSettings, SettingName } from './settings.js'
import type { Label } from './settings-together.js'

const fileSettings = {
  ca: 'upstreamCa',
  cert: 'upstreamCert',
  key: 'upstreamKey',
} as const satisfies Record<string, SettingName>

/** Returns the settings of a pool for TLS with its backends, by the names that the fields of a backend have. */
export function poolTlsOf(settings: PoolSettings) {
  return {
    ca: settings.upstreamCa,
    cert: settings.upstreamCert,
    key: settings.upstreamKey,
    servername: settings.upstreamServername,
    rejectUnauthorized: settings.upstreamRejectUnauthorized,
  }
}

/** Makes the error for a file of a pool that cannot be used. The error's message says why. */
export function refusedFile(
  { field, path, message }: { field: keyof typeof fileSettings; path: string; message: string },
  label: Label,
): SettingError {
  return new SettingError(
    label(fileSettings[field]),
    `does not accept ${JSON.stringify(path)}: it ${message}`,
  )
}
