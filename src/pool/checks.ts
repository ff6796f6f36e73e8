import { isDeepStrictEqual } from 'node:util'
import type { Balancer } from '../balancer/balancer.js'
import { Checks } from '../balancer/health/checks.js'
import type { PoolSettings } from '../config/settings.js'
import { CheckHosts } from '../proxy/upstream/health-check/check-hosts.js'
import { healthProbe } from '../proxy/upstream/health-check/health-probe.js'
import type { TlsOptionsOf } from '../proxy/upstream/tls/upstream-tls.js'

const checkSettings = [
  'healthPath',
  'healthPort',
  'healthHost',
  'healthTimeout',
  'healthStatus',
  'healthInterval',
  'healthRise',
  'healthFall',
  'hostHeader',
] as const satisfies readonly (keyof PoolSettings)[]

/** Whether the checks of two settings of a pool are the same. */
export function haveSameChecks(one: PoolSettings, other: PoolSettings): boolean {
  return checkSettings.every((name) => isDeepStrictEqual(one[name], other[name]))
}

/**
 * Makes the active checks of a pool's backends; undefined where the settings ask for none.
 * @param onFailed called with the error of each check that failed
 */
export function checksOf(
  { registry, clock }: Balancer,
  settings: PoolSettings,
  tlsOptionsOf: TlsOptionsOf,
  onFailed: (error: Error) => void,
): Checks | undefined {
  if (settings.healthPath === '') return undefined
  const hosts = new CheckHosts({
    registry,
    healthHost: settings.healthHost,
    hostHeader: settings.hostHeader,
    refused: () => registry.refusedHost,
  })
  const probe = healthProbe({
    path: settings.healthPath,
    port: settings.healthPort,
    hosts,
    timeout: settings.healthTimeout,
    status: settings.healthStatus,
    clock,
    tlsOptionsOf,
    onFailed,
  })
  const { healthInterval: interval, healthRise: rise, healthFall: fall } = settings
  return new Checks(registry, probe, { interval, rise, fall }, clock)
}
