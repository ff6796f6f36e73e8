import { type PoolSettings, poolSettingNames, type Settings } from '../settings.js'
import type { AdminConfig, GatewayConfig } from './gateway-config.js'

/** What a gateway without a file runs from: one listener, and one pool that gets every request. */
export function environmentConfig(settings: Settings): GatewayConfig {
  return {
    file: undefined,
    listen: [{ host: settings.host, port: settings.port }],
    workers: settings.workers,
    admin: adminConfigOf(settings),
    pools: [{ name: 'default', settings: poolSettingsOf(settings) }],
    routes: undefined,
  }
}

export function adminConfigOf({ adminHost, adminPort, adminToken }: Settings): AdminConfig | 'off' {
  return adminPort === 'off' ? 'off' : { host: adminHost, port: adminPort as number, token: adminToken }
}

/** The settings of a pool among all settings. */
export function poolSettingsOf(settings: Settings): PoolSettings {
  return Object.fromEntries(poolSettingNames.map((name) => [name, settings[name]])) as PoolSettings
}
