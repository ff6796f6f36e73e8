import type { FastifyBaseLogger } from 'fastify'
import type { ObserverGuard } from '../balancer/observer-guard.js'
import { optionLabel } from '../config/option-error.js'
import { poolTlsOf, refusedFile } from '../config/pool-tls.js'
import type { PoolSettings } from '../config/settings.js'
import { TlsFileError } from '../proxy/upstream/tls/pem-files.js'
import { UpstreamTls } from '../proxy/upstream/tls/upstream-tls.js'
import { logFileChange } from '../telemetry/tls-log.js'

/**
 * Reads a pool's files for TLS with backends, and looks at them until the result is closed.
 * @param pool name of the pool
 * @throws {SettingError}
 */
export function openTls(
  settings: PoolSettings,
  pool: string,
  log: FastifyBaseLogger,
  guard: ObserverGuard,
): UpstreamTls {
  try {
    return new UpstreamTls(poolTlsOf(settings), undefined, (change) =>
      guard.call(() => logFileChange(log, pool, change)),
    )
  } catch (error) {
    throw error instanceof TlsFileError ? refusedFile(error, optionLabel) : error
  }
}
